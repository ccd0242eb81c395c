"""What may go wrong with machine and workers, who is blamed, and how a search is asked to end. No Ray."""
