"""none: every trial runs to its end."""

from collections.abc import Sequence

from search.stopping.base import Rule
from trainables.files.durable import Record


class Nothing(Rule):
    reads = ()

    def settings(self, grace_period: int, reduction_factor: int, budget: int | None, share: float) -> Record:
        return {}

    def rungs(self, scheduler: Record, epochs: int) -> Sequence[int]:
        return ()


RULE = Nothing()
