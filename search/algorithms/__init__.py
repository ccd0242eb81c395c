"""Which configurations are tried: grid, random, quasi-random, TPE. Pure functions; no Ray."""
