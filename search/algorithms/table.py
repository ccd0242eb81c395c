"""The algorithms by their names in --algo."""

ALGORITHMS = ("grid", "random", "qmc", "tpe")
