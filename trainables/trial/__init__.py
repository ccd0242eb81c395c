"""A trial in its folder: committed epoch by epoch, continued, timed; or by itself, on a command line."""
