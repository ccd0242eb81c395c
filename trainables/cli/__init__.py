"""What the command lines share: options, errors as one line, progress, streams, signals, child processes."""
