"""ladder: trials wait at each rung, few stop early and many late, for a share of all epochs that is known beforehand.

The first rung is after about 2/27 of the epochs, and each later rung is at twice the epoch of the rung before. Measurements:
docs/which-method.md.
"""

import functools
from collections.abc import Sequence
from decimal import Context, Decimal

from search.stopping.base import Waiting, epochs_spent
from trainables.files.durable import Record

SHORTEST = 4  # epochs of a whole trial; of a shorter one nothing is known before its end
FEWEST = 2  # configurations that are trained in full
STEEPEST = 1_000_000  # thousandths; far more than any search needs
EXACT = Context(prec=28)  # the same digits on every machine, which a power of floats does not promise


class Ladder(Waiting):
    reads = ("share",)
    keeps_a_share = False

    def settings(self, grace_period: int, reduction_factor: int, budget: int | None, share: float) -> Record:
        return {"share": share}

    def rungs(self, scheduler: Record, epochs: int) -> Sequence[int]:
        return rungs(epochs)

    def places(self, scheduler: Record, planned: int, epochs: int) -> Sequence[tuple[int, int]]:
        return places(planned, epochs, scheduler["share"], scheduler.get("audit", 0.0))


def rungs(epochs: int) -> list[int]:
    """The epochs of the rungs, ascending, for trials that have `epochs` epochs."""
    found, rung = [], max(1, round(2 * epochs / 27))
    while epochs >= SHORTEST and rung < epochs:
        found.append(rung)
        rung *= 2
    return found


@functools.cache
def places(planned: int, epochs: int, share: float, audit: float = 0.0) -> tuple[tuple[int, int], ...]:
    """The epoch of each rung and how many go on, for at most `share` of all epochs or, if that is too little, the least share.

    Args:
        planned: configurations.
        epochs: of a whole trial.
        share: of planned x epochs, above 0 and at most 1.
        audit: share of those left behind that is trained in full.
    """
    most = share * planned * epochs
    low, high = 0, STEEPEST
    while low < high:  # the flattest that is cheap enough: a steeper one is never dearer
        middle = (low + high) // 2
        if epochs_spent(descent(planned, epochs, middle), planned, epochs, audit) <= most + 1e-9:
            high = middle
        else:
            low = middle + 1
    return descent(planned, epochs, low)


def descent(planned: int, epochs: int, steepness: int) -> tuple[tuple[int, int], ...]:
    """Rungs and places: planned x (3 / (2 e / r + 2)) ** steepness go on at rung e, where r is the first rung.

    Args:
        steepness: in thousandths; at 0 nobody is left behind.
    """
    found, left = [], planned
    steps = rungs(epochs)
    for rung in steps:
        base = EXACT.divide(Decimal(3 * steps[0]), Decimal(2 * (rung + steps[0])))
        kept = EXACT.multiply(Decimal(planned), EXACT.power(base, Decimal(steepness) / 1000))
        left = min(left, max(min(FEWEST, planned), round(kept)))
        found.append((rung, left))
    return tuple(found)


def least_share(planned: int, epochs: int, audit: float = 0.0) -> float:
    """The smallest share of all epochs with which `planned` configurations can be searched, above 0 and at most 1."""
    return epochs_spent(descent(planned, epochs, STEEPEST), planned, epochs, audit) / (planned * epochs)


RULE = Ladder()
