"""How early stopping is written, on the command line and in a space."""

import re
from dataclasses import dataclass
from typing import ClassVar

_WRITTEN = re.compile(r"(asha|sha|median|none)|(epochs):([1-9][0-9]{0,6})")


@dataclass(frozen=True)
class Scheduler:
    """A rule of early stopping; only `epochs` has a budget, the K of epochs:K."""

    FORMS: ClassVar = ("asha", "sha", "median", "epochs:K", "none")  # K is a number of epochs

    name: str
    budget: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Scheduler":
        """What one of FORMS says, with a number for K.

        Raises:
            ValueError: it is none of them.
        """
        found = _WRITTEN.fullmatch(text)
        if not found:
            raise ValueError(f"no scheduler: {text!r}")
        plain, name, budget = found.groups()
        return cls(plain) if plain else cls(name, int(budget))

    def __str__(self) -> str:
        return self.name if self.budget is None else f"{self.name}:{self.budget}"
