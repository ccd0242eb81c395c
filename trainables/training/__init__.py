"""The training step, the epoch loop and their parts: no Ray, no files, no global state."""
