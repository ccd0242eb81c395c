"""What the command asks and shows: options and the settings they make, completion, progress, estimate, preview."""
