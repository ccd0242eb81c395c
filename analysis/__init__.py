"""Results of runs: ledger, frame, ranking, results.md. Never imports Ray."""
