"""What a search is asked to do: the flags, with the space loaded, the images decoded and every value checked."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from search.algorithms.table import ALGORITHMS
from search.flags import Flags, check_bounds
from spaces import MAX_GRID, Scheduler, Space
from trainables.config import image_size, unknown
from trainables.errors import UsageError
from trainables.files.durable import Record
from trainables.objective import ACCURACY, Objective
from trainables.own.code import Code

T = TypeVar("T", int, float)
DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")
MAX_SEED = 2**31
MOST_IN_ENGINE = 32
AUTO: Literal["auto"] = "auto"  # of --gpus-per-trial: measured, see search/backend/gpu_sharing.py
LONGEST = 10 * 365 * 24 * 3600  # seconds of a time budget
PRECISIONS = ("auto", "fp32", "bf16")
LONGEST_NAME = 64
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # of a run: also its folder, so never a path


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The checked settings of one search; search/flags.py has the meaning and the default of each flag.

    Raises:
        UsageError: a value that no search could use.
    """

    space_name: str
    space: Space
    dataset: str  # resolved: never "auto"
    dataset_short: str  # the data set's name as it stands in the name of a run
    fallback: str | None  # why the data set is not the one that was hoped for
    cache: Path  # the decoded images; of several sizes those of the smallest
    algorithm: str
    scheduler: str  # as spaces.Scheduler is written
    scheduler_asked: bool = True  # by --scheduler; else it is the space's, and gives way where it cannot hold
    audit: float = Flags.audit
    grace_period: int = Flags.grace_period
    reduction_factor: int = Flags.reduction_factor
    share: float | None = None  # of all epochs, for a ladder; none for the usual one
    num_samples: int | None = Flags.num_samples  # trials; none for what the run or else the space says
    epochs: int | None = Flags.epochs  # per trial; none for what the run or else the space says
    seeds: int | None = Flags.seeds  # of each configuration; none for what the run says, else 1
    folds: int | None = Flags.folds  # that each configuration is validated on in turn; none for one validation split
    confirm: int | None = Flags.confirm  # best configurations to train again; none for what the run says, else 0
    confirm_seeds: int | None = Flags.confirm_seeds
    keep_best: int | None = Flags.keep_best  # trials whose weights are kept; none for what the run says
    seed: int = Flags.seed
    fraction: float = Flags.fraction
    precision: str = Flags.precision
    cpus_per_trial: int = Flags.cpus_per_trial
    gpus_per_trial: float | Literal["auto"] | None = None  # none for one GPU where there is one
    engine: int | Literal["auto"] | None = None  # trials in one process per GPU; none for a process each
    max_concurrent: int | None = Flags.max_concurrent
    address: str | None = Flags.address  # of a Ray cluster; none to start Ray here
    epoch_timeout: int | None = Flags.epoch_timeout
    runs_dir: Path = Flags.runs_dir
    skip_bad: bool = Flags.skip_bad
    group_by: str | None = Flags.group_by
    resize: str = Flags.resize
    data_dir: Path = Flags.data_dir  # where the nodes of a cluster look for the archives
    name: str | None = Flags.name
    allow_changes: bool = Flags.allow_changes
    set: tuple[str, ...] = ()  # what --set changed in the space
    warm: Record | None = None  # {"run": its name, "points": [...]}: tried right after the baseline
    objective: Objective = ACCURACY  # that of the space
    code: Code | None = None  # the user's, if the space is a file of theirs
    caches: Mapping[int, Path] = field(
        default_factory=dict
    )  # the decoded images of each size, where the space has several

    def __post_init__(self) -> None:
        for name, known in (("algorithm", ALGORITHMS), ("precision", PRECISIONS)):
            if (given := getattr(self, name)) not in known:
                raise UsageError(unknown(name, given, known))
        check_scheduler(self.scheduler)
        if not 0 < self.fraction <= 1:
            raise UsageError(f"--fraction must be above 0 and at most 1, but got {self.fraction}.")
        if not 0 <= self.audit <= 1:
            raise UsageError(f"--audit must be a fraction from 0 to 1, but got {self.audit}.")
        if self.share is not None and not 0 < self.share <= 1:
            raise UsageError(f"--share must be above 0 and at most 1, or 100%, but got {self.share:g}.")
        if self.audit and self.scheduler == "none":
            raise UsageError(
                "--audit needs early stopping: without it every trial runs to its end. Add --scheduler asha."
            )
        check_bounds(self)
        if self.folds and self.seeds:
            raise UsageError(
                f"--folds {self.folds} and --seeds {self.seeds}: each fold has a seed of its own. Leave out --seeds; --confirm "
                "trains the best on further seeds and folds."
            )
        if not NAME.fullmatch(self.run_name):
            what, step = ("--name", "") if self.name else ("the run's name", " Rename the file, or give --name NAME.")
            raise UsageError(
                f"{what} must be 1 to 64 letters, digits, '.', '_' or '-' and begin with a letter or digit, "
                f"but got {self.run_name!r}{trouble(self.run_name)}.{step}"
            )
        if (self.num_samples or 0) > MAX_GRID:
            raise UsageError(f"--num-samples must be at most {MAX_GRID}, but got {self.num_samples}.")
        share = self.gpus_per_trial if isinstance(self.gpus_per_trial, (int, float)) else 0.0
        if not 0 <= share <= 1:
            raise UsageError(
                f"--gpus-per-trial must be auto or from 0 to 1, because a trial trains on one GPU, but got {share:g}."
            )
        if self.engine and self.gpus_per_trial not in (None, 0, 1):
            raise UsageError("--engine says how many trials share a GPU. Leave out --gpus-per-trial.")
        if isinstance(self.engine, int) and not 1 <= self.engine <= MOST_IN_ENGINE:
            raise UsageError(
                f"--engine must be auto or from 1 to {MOST_IN_ENGINE}, the streams of a GPU, but got {self.engine}."
            )
        if not 0 <= self.seed < MAX_SEED:
            raise UsageError(f"--seed must be from 0 to {MAX_SEED - 1}, but got {self.seed}.")

    def cache_of(self, config: Mapping[str, Any]) -> Path:
        """The path of the decoded images of a configuration."""
        return self.caches.get(image_size(config), self.cache)

    @property
    def repeats(self) -> str:
        """The flag that asks for several trainings of each configuration, such as "--seeds 3"; empty if no flag does."""
        if self.folds:
            return f"--folds {self.folds}"
        return f"--seeds {self.seeds}" if (self.seeds or 1) > 1 else ""

    @property
    def threads(self) -> int:
        """The number of torch threads in a trial: its CPUs. It decides the last bits of every number, so it is identity."""
        return self.cpus_per_trial

    @property
    def warm_points(self) -> list[Record]:
        return self.warm["points"] if self.warm else []

    @property
    def run_name(self) -> str:
        return self.name or usual_name(self.space_name, self.dataset_short)

    @property
    def folder(self) -> Path:
        """The folder of the run, which may not exist yet."""
        return self.runs_dir / self.run_name


def trouble(name: str) -> str:
    """Why this name of a run is not valid; empty for an empty name."""
    if found := next((character for character in name if not re.fullmatch("[A-Za-z0-9._-]", character)), ""):
        return f": {'a space' if found == ' ' else repr(found)} is none of these"
    if len(name) > LONGEST_NAME:
        return f": it has {len(name)} characters"
    return f": it begins with {name[0]!r}" if name else ""


def usual_name(space: str, dataset: str) -> str:
    """The default name of a run: SPACE-DATASET, or SPACE where there is no data set."""
    return f"{space}-{dataset}" if dataset else space


def check_scheduler(text: str) -> None:
    """Raises UsageError for a text that is not a scheduler."""
    try:
        Scheduler.parse(text)
    except ValueError:
        if text in Scheduler.FORMS:
            example = text.replace("K", "3")
            raise UsageError(f"--scheduler {text} needs a number of epochs for K. For example {example}.") from None
        raise UsageError(unknown("scheduler", text, Scheduler.FORMS)) from None


def share(text: str | float | None) -> float | None:
    """The fraction that --share gives, 0.35 for both 35% and 0.35; None if --share is not given.

    Raises:
        UsageError: the text is no number.
    """
    if text is None:
        return None
    number = str(text).strip()
    try:
        return round(float(number.removesuffix("%")) / 100, 9) if number.endswith("%") else float(number)
    except ValueError:
        raise UsageError(f"--share must be a fraction such as 35% or 0.35, but got {text!r}.") from None


def gpus(text: str | None) -> float | Literal["auto"] | None:
    """The number that --gpus-per-trial gives, or "auto"; None if it is not given."""
    return number_or_auto("--gpus-per-trial", text, float, "a number")


def lanes(text: str | None) -> int | Literal["auto"] | None:
    """The whole number that --engine gives, or "auto"; None if it is not given."""
    return number_or_auto("--engine", text, int, "a whole number")


def number_or_auto(flag: str, text: str | None, kind: Callable[[str], T], what: str) -> T | Literal["auto"] | None:
    """The number that a flag gives, or "auto"; None if the flag is not given.

    Raises:
        UsageError: neither a number of this kind nor auto.
    """
    if text is None:
        return None
    if text == AUTO:
        return AUTO
    try:
        return kind(text)
    except ValueError:
        raise UsageError(f"{flag} must be {what} or auto, but got {text!r}.") from None


def duration(text: str) -> float:
    """Seconds of a duration such as 2h, 90m, 45s or 1h30m.

    Raises:
        UsageError: the text is no duration, or the duration is not above zero or longer than LONGEST.
    """
    found = DURATION.fullmatch(text.strip())
    hours, minutes, seconds = (float(part or 0) for part in found.groups()) if found else (0.0, 0.0, 0.0)
    total = 3600 * hours + 60 * minutes + seconds
    if not 0 < total <= LONGEST:
        raise UsageError(f"--time-budget must be a time such as 2h, 90m, 45s or 1h30m, above zero, but got {text!r}.")
    return total
