"""What the command asks and shows: options, completion, progress, estimate, preview."""
