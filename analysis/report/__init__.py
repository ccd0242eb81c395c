"""report.html: one page without network, with a table that sorts and plots that answer."""
