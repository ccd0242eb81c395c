"""The commands of python -m analysis that are no room of their own, and which rows and columns they print."""
