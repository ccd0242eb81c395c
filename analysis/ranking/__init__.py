"""The ranking and its uncertainty: order, seeds, tests, intervals, the standing, the test split."""
