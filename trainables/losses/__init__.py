"""What training makes small. A file for each loss; models/README.md says how to add one."""
