"""How a rule of early stopping is written, on the command line and in a space."""

import re
from dataclasses import dataclass
from typing import ClassVar

_FORMS = {  # how a rule is written, K for a number of epochs, and what the help adds; the rule is search/stopping/NAME.py
    "asha": "",
    "sha": "all wait at a rung",
    "ladder": "likewise, for a given share of the epochs",
    "median": "",
    "epochs:K": "the best after K",
    "none": "",
}


@dataclass(frozen=True)
class Scheduler:
    """A rule of early stopping; only a rule that is written with :K has a budget."""

    FORMS: ClassVar = tuple(_FORMS)
    NAMES: ClassVar = tuple(form.partition(":")[0] for form in _FORMS)

    name: str
    budget: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Scheduler":
        """The rule that a text names: one of FORMS, with a number of epochs for K.

        Raises:
            ValueError: the text is none of FORMS.
        """
        name, colon, budget = text.partition(":")
        if f"{name}:K" in cls.FORMS and re.fullmatch("[1-9][0-9]{0,6}", budget):
            return cls(name, int(budget))
        if name in cls.FORMS and not colon:
            return cls(name)
        raise ValueError(f"no scheduler: {text!r}")

    @classmethod
    def described(cls) -> str:
        """All forms in one line, for the help."""
        *first, last = (f"{form} ({more})" if more else form for form, more in _FORMS.items())
        return f"{', '.join(first)} or {last}"

    def __str__(self) -> str:
        return self.name if self.budget is None else f"{self.name}:{self.budget}"
