"""Measure speed beside other tools and hand-written code; only ratios within one run count, single times do not."""
