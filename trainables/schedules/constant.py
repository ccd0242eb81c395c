"""The same rate from the first step to the last."""


def constant(done: float) -> float:
    """1, whatever share of training is done."""
    return 1.0
