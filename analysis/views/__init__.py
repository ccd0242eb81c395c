"""The output of commands: one trial, several runs side by side, selected rows, suspect labels, a running search."""
