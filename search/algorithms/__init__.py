"""Which configurations are tried: grid, random, quasi-random, TPE, Gaussian process. Pure functions; no Ray."""
