"""Early stopping as pure functions. No Ray, no files."""
