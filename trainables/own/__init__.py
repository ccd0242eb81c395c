"""Training that is not ours: a user's code as it travels with a run, their loop, their program."""
