"""A search space: what is varied, what is fixed, and where a search starts."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spaces._ranges import Choice, Interval
from trainables.config import check_value, complete
from trainables.errors import SpaceError

MAX_GRID = 100_000  # points; more is a mistake, not a search


class ParameterError(SpaceError):
    """Something is wrong with one parameter; its name helps to find the line."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


@dataclass(frozen=True, kw_only=True)
class Space:
    """What a search varies.

    Args:
        params: hyperparameter to a range, if it is searched, or to a value, if it is fixed. What is not named has the
            default of trainables.config.
        baseline: a value for every searched parameter; always tried first and always shown.
        epochs: how long a trial is trained unless --epochs says otherwise.
        scheduler: early stopping unless --scheduler says otherwise: asha, sha or none.
        samples: number of trials of a random search unless --num-samples says otherwise.

    Raises:
        SpaceError: a name, value or range that no search could use.
    """

    params: Mapping[str, Any]
    baseline: Mapping[str, Any]
    epochs: int
    scheduler: str = "none"
    samples: int = 16

    def __post_init__(self) -> None:
        for key, value in self.params.items():
            self._check_parameter(key, value)
        for key in self.baseline:
            if key not in self.searched:
                raise ParameterError(
                    key, f"baseline names {key!r}, which is not searched. Searched: {', '.join(self.searched)}."
                )
        for key, value in self.searched.items():
            if key not in self.baseline:
                raise ParameterError(key, f"baseline lacks {key!r}; it names every searched parameter.")
            if self.baseline[key] not in value:
                raise ParameterError(key, f"baseline {key}={self.baseline[key]!r} lies outside {value}.")
        if not self.searched:
            raise SpaceError("nothing is searched: no parameter has a range.")
        if self.scheduler not in ("asha", "sha", "none"):
            raise SpaceError(f"scheduler must be 'asha', 'sha' or 'none', but got {self.scheduler!r}.")
        if type(self.samples) is not int or self.samples < 1:
            raise SpaceError(f"samples must be a positive integer, but got {self.samples!r}.")
        if self.grid_size > MAX_GRID:
            raise SpaceError(f"the grid has {self.grid_size} points; at most {MAX_GRID} are searched.")
        complete({**self.constants, **self.baseline, "epochs": self.epochs})

    @staticmethod
    def _check_parameter(key: str, value: Any) -> None:
        if key == "epochs":
            raise ParameterError(key, "epochs is no parameter of a space; write Space(..., epochs=20).")
        try:
            for bound in value.bounds() if isinstance(value, (Choice, Interval)) else (value,):
                check_value(key, bound)
        except SpaceError as error:
            raise ParameterError(key, str(error)) from None

    @property
    def searched(self) -> dict[str, Choice | Interval]:
        """The parameters that have a range."""
        return {key: value for key, value in self.params.items() if isinstance(value, (Choice, Interval))}

    @property
    def constants(self) -> dict[str, Any]:
        """The parameters that are fixed."""
        return {key: value for key, value in self.params.items() if key not in self.searched}

    @property
    def is_grid(self) -> bool:
        """Whether every searched parameter has a few values, so that all combinations can be tried."""
        return all(isinstance(value, Choice) for value in self.searched.values())

    @property
    def grid_size(self) -> int:
        """Number of combinations of a grid; 0 if the space is none."""
        return (
            math.prod(len(value.values) for value in self.searched.values() if isinstance(value, Choice))
            if self.is_grid
            else 0
        )

    def digest(self) -> str:
        """A hash of everything that decides which configurations are tried."""
        facts = [(key, str(value) if key in self.searched else value) for key, value in self.params.items()]
        exact = [(key, value.bounds()) for key, value in self.searched.items()]  # in order: it decides the points
        text = json.dumps([facts, exact, sorted(self.baseline.items())])
        return hashlib.sha256(text.encode()).hexdigest()[:16]
