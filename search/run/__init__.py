"""A run folder: what makes it that run, how it is read, begun, continued, grown and confirmed. No Ray."""
