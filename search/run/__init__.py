"""A run folder: its identity, and how the folder is read, begun, continued, grown and confirmed. No Ray."""
