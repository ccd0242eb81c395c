"""Faults of machines and workers, what the faults are blamed on, and how a search is asked to end. No Ray."""
