"""Many ordinary trials in one process, taking turns on one device: each in a slot, on a GPU each on a stream of its own."""
