"""Common code of the command lines: options, errors as one line, progress, streams, signals, child processes."""
