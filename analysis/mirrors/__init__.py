"""A run shown in other tools, one module a tool: each is a conversion of the ledger and nothing else."""
