"""The engine: many ordinary trials take turns on one device in one process; on a GPU each trial has its own stream."""
