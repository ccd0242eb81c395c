"""What a search with early stopping costs if each rung lets exactly its share of the trials go on."""

import math

from search.stopping.rules import cuts, decisive, of, places
from trainables.files.durable import Record


def ideal_course(scheduler: Record, planned: int, epochs: int, seeds: int = 1) -> list[tuple[int, int]]:
    """How many trials train for how many more epochs, for each leg between rungs, if all places of each rung are filled.

    The audited share of the trials runs on. The numbers of median are not known beforehand, so all trials count to their end.

    Args:
        planned: configurations.
        seeds: of each configuration.
    """
    legs, before = [], 0
    together = seeds if cuts(scheduler) else 1
    trials = left = planned * seeds
    for rung, kept in rungs_and_places(scheduler, trials // together, epochs):
        legs.append((left, rung - before))
        left, before = kept * together, rung
    legs.append((left, epochs - before))
    share: float = scheduler.get("audit", 0.0)
    return [(count + round(share * (trials - count)), length) for count, length in legs]


def rungs_and_places(scheduler: Record, entries: int, epochs: int) -> list[tuple[int, int]]:
    """The epoch of each rung, and how many of `entries` trials or configurations go on there."""
    if cuts(scheduler):
        return places(scheduler, entries, epochs)
    found, left = [], entries
    for rung in decisive(scheduler, epochs) if of(scheduler).keeps_a_share else ():
        left = math.ceil(left / scheduler["reduction_factor"])
        found.append((rung, left))
    return found


def ideal_epochs(scheduler: Record, planned: int, epochs: int, seeds: int = 1) -> int:
    """Epochs that all trials of the planned configurations train together on the ideal course."""
    return sum(count * length for count, length in ideal_course(scheduler, planned, epochs, seeds))
