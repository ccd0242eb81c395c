"""Run a trial in its folder: commit each epoch, continue after a stop, take times. Also a single trial without a search."""
