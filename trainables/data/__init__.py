"""Data sets: find or download images, verify them, decode and split them once, and map them into every trial's memory."""
