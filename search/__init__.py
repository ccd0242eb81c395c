"""How a space is searched and never lost: plan, ledger, scheduler, Ray runner, lock, progress. Only this package knows Ray."""
