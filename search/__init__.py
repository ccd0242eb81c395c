"""The search of a space: plan, ledger, scheduler, Ray runner, lock, progress. Only this package knows Ray."""
