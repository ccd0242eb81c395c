"""What a search shows beside its winner: parameters that mattered, regions that diverged, the effect of early stopping."""
