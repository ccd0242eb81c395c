"""What commands print: one trial, runs side by side, chosen rows, a search that runs."""
