"""What a search shows beside its winner: what mattered, where trials diverged, whether early stopping was right."""
