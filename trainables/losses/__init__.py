"""Losses, one in each file. models/README.md says how to add one."""
