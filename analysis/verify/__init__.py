"""Whether a run folder keeps every promise of a search. Of analysis it needs frame alone."""
