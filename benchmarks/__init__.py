"""Measure speed beside other tools and hand-written code; only ratios of one run count, because machines differ."""
