"""The step and the epoch loop, and what they are made of: no Ray, no files, no global state."""
