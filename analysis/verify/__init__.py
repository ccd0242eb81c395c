"""Check whether a run folder keeps every invariant of a search; of the package analysis, only frame is imported."""
