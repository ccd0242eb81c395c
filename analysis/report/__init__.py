"""Write report.html: one page that needs no network, with a sortable table and interactive plots."""
