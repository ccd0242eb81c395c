"""The same search as each tool's own documentation teaches it: a module for each tool, run as a program of its own.

    python -m benchmarks.peers.optuna_processes TASK OUT

TASK is a folder as `textbook.write` leaves it, OUT an empty one for what the tool keeps. Each prints one line of JSON at its
end: the best validation accuracy (0 to 1) of each learning rate.
"""
