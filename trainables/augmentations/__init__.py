"""What is done to the images of a batch while training. A file for each augmentation; models/README.md says how to add one."""
