"""A search space: its parameters, where a search of them starts, and what is refused."""

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from spaces import _own as own
from spaces._parameters import ParameterError, Parameters, Point, by_axis, fits
from spaces._ranges import canonical_range
from spaces._scheduler import Scheduler
from trainables.config import LATER, NEUTRAL, Config, canonical, complete, key_of
from trainables.errors import SpaceError
from trainables.files.durable import Record
from trainables.objective import ACCURACY, FORMS, MODES, Objective, OwnObjective
from trainables.own.names import OF_RAY, OF_RESULTS, is_taken

TAKEN = (*OF_RESULTS, *OF_RAY)  # what no metric can be called

MIDDLE: Mapping[str, Any] = {}  # this very one: the baseline of a space that has none


@dataclass(frozen=True, kw_only=True)
class Space(Parameters):
    """What a search varies.

    Args:
        params: hyperparameter to a range, if it is searched, or to a value, if it is fixed. A hyperparameter that is not named
            has the default of trainables.config.
        baseline: a value for every searched parameter that applies to it; always tried first and always shown. If it is left
            out, it is the middle of every range, and a warning says so.
        epochs: how long a trial is trained unless --epochs says otherwise.
        scheduler: early stopping unless --scheduler says otherwise, written as there.
        samples: number of trials of a random search unless --num-samples says otherwise.
        constraint: a function of a whole configuration; a point for which it returns False is not trained.
        max_params: weights a network may have; larger networks are not trained.
        classes: number of classes that a network has when its weights are counted for max_params.
        train, command: own training in place of this program's: a top-level function, or a program and its arguments.
        metric, mode, form: what the user's own training is judged by: a name among its metrics, "min" or "max", and "decimals",
            or "percent" for a fraction from 0 to 1.
        bfloat16: whether the networks of the space may be trained in bfloat16; False if a network cannot.
        files: files that the user's code reads. A path relative to the space's file is copied into the run, any other file
            stays where it is; both are hashed.

    Raises:
        SpaceError: a name, value or range that no search could use.
    """

    epochs: int
    baseline: Mapping[str, Any] = field(default_factory=lambda: MIDDLE)
    scheduler: str = "none"
    samples: int = 16
    constraint: Callable[[Config], bool] | None = None
    max_params: int | None = None
    classes: int = 10
    metric: str | None = None
    mode: str = "min"
    form: str = "decimals"
    bfloat16: bool = True
    files: Sequence[str] = ()
    is_middle: bool = field(default=False, repr=False)  # the baseline, because none was given

    def __post_init__(self) -> None:
        self._check_own()
        super().__post_init__()
        object.__setattr__(self, "is_middle", self.is_middle or self.baseline is MIDDLE)
        baseline = self.at([0.5] * len(self.axes)) if self.baseline is MIDDLE else self.baseline
        object.__setattr__(self, "baseline", self._named(baseline))
        self._check_baseline()
        try:
            Scheduler.parse(str(self.scheduler))
        except ValueError:
            *forms, last = map(repr, Scheduler.FORMS)
            known = f"{', '.join(forms)} or {last}".replace("K'", "K' with a number for K")
            raise SpaceError(f"scheduler must be {known}, but got {self.scheduler!r}.") from None
        for name, count in (("samples", self.samples), ("max_params", self.max_params)):
            if (name, count) != ("max_params", None) and (type(count) is not int or count < 1):
                raise SpaceError(f"{name} must be a positive integer, but got {count!r}.")
        if not isinstance(self.files, (list, tuple)):
            raise SpaceError(f'files must be a list, such as files=["corpus.txt"], but got {self.files!r}.')
        if self.is_own and (type(self.epochs) is not int or self.epochs < 1):
            raise SpaceError(f"epochs must be a positive integer, but got {self.epochs!r}.")
        if not self.is_own:
            complete({**self.config(self.baseline), "epochs": self.epochs})
        self.check_combinations()
        if reason := self.refusal(self.config(self.baseline)):
            raise SpaceError(f"the baseline is refused: {reason}. Change the baseline or the limit.")

    def _check_own(self) -> None:
        """Check the arguments of own training, and refuse `metric` in a space that has no own training."""
        if self.is_own:
            own.check(self.train, self.command, self.params)
            if self.max_params is not None:
                raise SpaceError(
                    "max_params has no effect where a space trains by itself. Remove it, or write a constraint."
                )
            if self.metric in TAKEN:
                raise SpaceError(
                    f"metric {self.metric!r} is the name of another column. Write another, such as val_loss."
                )
            if not isinstance(self.metric, str) or not self.metric.isidentifier():
                raise SpaceError(
                    f'metric must name what is judged by, such as metric="val_loss", but got {self.metric!r}.'
                )
            if self.metric in self.params:
                raise SpaceError(f"metric {self.metric!r} is a hyperparameter as well. Rename one of them.")
            if taken := [key for key in self.params if is_taken(key, self.metric)]:
                raise SpaceError(f"{taken[0]!r} is the name of a column of results. Rename the hyperparameter.")
            for name, value, known in (("mode", self.mode, MODES), ("form", self.form, FORMS)):
                if value not in known:
                    raise SpaceError(f"{name} must be {' or '.join(map(repr, known))}, but got {value!r}.")
        elif self.metric is not None:
            raise SpaceError("metric belongs to train= or command=. Remove it, or add one of these.")

    @property
    def objective(self) -> Objective:
        """The objective that the trials of the space are judged by."""
        return OwnObjective(self.metric, self.mode, self.form) if self.metric is not None else ACCURACY

    @property
    def training(self) -> Record | None:
        """Own training as run.json names it: {"train": "module:function"} or {"command": [...]}; None without own training."""
        if self.train is not None:
            return {"train": own.text_of(self.train)}
        return {"command": list(self.command)} if self.command is not None else None

    def _check_baseline(self) -> None:
        applying = self.ranges(self.baseline)
        for key in self.baseline:
            if key not in self.searched:
                raise ParameterError(
                    key, f"baseline names {key!r}, which is not searched. Searched: {', '.join(self.searched)}."
                )
            if key not in applying:
                raise ParameterError(key, f"baseline names {key!r}, which does not apply to it: {self.searched[key]}.")
        for key, value in applying.items():
            if key not in self.baseline:
                raise ParameterError(key, f"baseline lacks {key!r}; it names every searched parameter.")
            if self.baseline[key] not in value:
                raise ParameterError(key, f"baseline {key}={self.baseline[key]!r} lies outside {value}.")
        for members in by_axis(applying):
            if not fits(members, self.baseline):
                together = " and ".join(members)
                raise ParameterError(next(iter(members)), f"{together} of the baseline do not belong together.")

    def refusal(self, config: Config) -> str | None:
        """Why a configuration must not be trained; none if it may.

        Raises:
            SpaceError: the constraint itself fails.
        """
        if self.max_params is not None:
            from trainables.models.cost import parameters

            if (count := parameters(config, self.classes)) > self.max_params:
                return f"{count:,} parameters, more than the {self.max_params:,} that are allowed"
        try:
            allowed = self.constraint is None or self.constraint(config)
        except Exception as error:
            raise SpaceError(f"the constraint fails: {type(error).__name__}: {error}, for {config}.") from error
        return None if allowed else "the constraint does not allow it"

    @property
    def is_limited(self) -> bool:
        """Whether some points may not be trained."""
        return self.constraint is not None or self.max_params is not None

    @cached_property
    def grid(self) -> list[Point]:
        """Every different combination that may be trained; empty if the combinations cannot be listed."""
        points: dict[str, Point] = {}
        for point in self.combined() if self.is_listed else ():
            config = self.config(point)
            if key_of(config) not in points and self.refusal(config) is None:
                points[key_of(config)] = point
        return list(points.values())

    def digest(self) -> str:
        """A hash of everything that decides which configurations are tried; numbers count by their value."""
        params = {key: canonical_range(value) for key, value in self._told().items()}
        facts = [(key, str(value) if key in self.searched else value) for key, value in params.items()]
        exact = [
            (key, *map(canonical, params[key].bounds())) for key in self.searched
        ]  # in order: it decides the points
        baseline = sorted((key, canonical(value)) for key, value in self.baseline.items())
        return hashed([facts, exact, baseline, *self._limits()])

    def digest_of_schema_1(self) -> str:
        """The digest as it was in runs of schema 1, where 1 and 1.0 were two values."""
        facts = [(key, str(value) if key in self.searched else value) for key, value in self._told().items()]
        exact = [(key, value.bounds()) for key, value in self.searched.items()]
        return hashed([facts, exact, sorted(self.baseline.items()), *self._limits()])

    def _told(self) -> dict[str, Any]:
        """The parameters without younger knobs that the space switches off: a space from before these knobs has the same hash."""
        return {key: value for key, value in self.params.items() if not (key in LATER and value == NEUTRAL[key])}

    def _limits(self) -> list[Any]:
        """The facts that the hash holds only if the space has them: constraint, max_params and own training.

        A space without them therefore keeps its hash.
        """
        limit = [] if self.max_params is None else [["max_params", self.max_params, self.classes]]
        training = [] if self.training is None else [self.training, self.objective.record()]
        return [*([] if self.constraint is None else [self.constraint_text()]), *limit, *training]

    def constraint_text(self) -> str:
        """The constraint as it is written; empty if there is none."""
        try:
            return " ".join(inspect.getsource(self.constraint).split()) if self.constraint else ""
        except (OSError, TypeError):
            return str(getattr(self.constraint, "__qualname__", type(self.constraint).__qualname__))


def hashed(facts: list[Any]) -> str:
    """Sixteen hex digits of a hash of plain values."""
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
