"""What moves the weights. A file for each optimizer; models/README.md says how to add one."""
