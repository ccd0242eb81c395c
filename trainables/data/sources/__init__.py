"""The sources of images: one module for each kind of data set."""
