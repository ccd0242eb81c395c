"""What came out: ledger, frame, ranking, results.md. Never imports Ray."""
