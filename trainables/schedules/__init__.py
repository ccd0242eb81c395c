"""The learning rate as a function of how far training is. A file for each; models/README.md says how to add one."""
