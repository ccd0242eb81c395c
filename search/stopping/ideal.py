"""What a search with early stopping costs if each rung keeps its share."""

import math

from search.stopping.rules import decisive, of
from trainables.files.durable import Record


def ideal_course(scheduler: Record, trials: int, epochs: int) -> list[tuple[int, int]]:
    """How many trials train for how many more epochs, leg by leg, if each rung keeps exactly ceil(n / reduction_factor).

    An audited share runs on. Of a rule without such a share no numbers are known beforehand: all trials run to their end there.
    """
    legs, left, before = [], trials, 0
    for rung in decisive(scheduler, epochs) if of(scheduler).keeps_a_share else ():
        legs.append((left, rung - before))
        left, before = math.ceil(left / scheduler["reduction_factor"]), rung
    legs.append((left, epochs - before))
    share: float = scheduler.get("audit", 0.0)
    return [(count + round(share * (trials - count)), length) for count, length in legs]


def ideal_epochs(scheduler: Record, trials: int, epochs: int) -> int:
    """Epochs that this many trials train together on the ideal course."""
    return sum(count * length for count, length in ideal_course(scheduler, trials, epochs))
