"""Where the images of each kind of data set come from."""
