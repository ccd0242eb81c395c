"""The status of a trial, and of a configuration that is trained on several seeds."""

from collections.abc import Sequence
from typing import Literal, get_args

Status = Literal["finished", "stopped", "running", "planned", "diverged", "failed"]
STATUSES: tuple[Status, ...] = get_args(Status)
OPEN = ("running", "planned")
LOST = ("diverged", "failed")  # the value that such a trial had reached does not count
ENDED = ("finished", "stopped", *LOST)
WORST_FIRST: tuple[Status, ...] = ("failed", "diverged", "stopped", "finished")


def of_configuration(statuses: Sequence[str], seeds: int, is_begun: bool) -> Status:
    """The status of a configuration: finished once all its trials have finished, one on each seed.

    Args:
        statuses: the status of each of its trials.
        seeds: the number of seeds that the configuration is to be trained on.
        is_begun: whether any of its trials has an epoch.
    """
    if len(statuses) < seeds or not set(statuses).isdisjoint(OPEN):
        return "running" if is_begun else "planned"
    return next(status for status in WORST_FIRST if status in statuses)
