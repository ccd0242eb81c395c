"""Augmentations of training batches. A file for each; models/README.md says how to add one."""
