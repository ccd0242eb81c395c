"""Show a run in other tools, with one module for each tool; each module converts the ledger and does nothing else."""
