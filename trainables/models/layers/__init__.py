"""The project's own layers, and their compiled loops."""
