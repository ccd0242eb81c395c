"""Training by a user's own code: the copy of the code in a run, the user's loop, and the user's program."""
