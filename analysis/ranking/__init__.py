"""Who is best and how sure that is: order, seeds, tests, intervals, the standing, the test split."""
