"""A constant learning rate."""


def constant(done: float) -> float:
    """The factor of the learning rate, which is always 1; `done` is the share of training done."""
    return 1.0
