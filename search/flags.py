"""The flags of run_search.py, one entry each; options, help, defaults and the tables in docs/ are made from the entries.

    python -m search.terminal.reference     writes those tables anew

This module imports neither typer nor anything else that is slow: every search reads its defaults here, too.
"""
# ruff: noqa: RUF009 (each default below is a dataclasses.field)

from dataclasses import dataclass, field, fields
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

from search.algorithms import table as algorithms
from spaces import Scheduler
from trainables.cli.paths import DATA_DIR
from trainables.data.names import CROP
from trainables.errors import UsageError
from trainables.objective import METRICS


class Kind(Enum):
    """What happens when an existing run is continued with another value of a flag."""

    IDENTITY = "is another search: refused"
    TOTAL = "may grow, never shrinks"
    FREE = "changes nothing that was or will be measured"
    SELECTS = "selects the run, or asks for something else than a search"


IDENTITY, TOTAL, FREE, SELECTS = Kind

Default = TypeVar("Default")
SPACE, IMAGES, TRAINING = "Space and points", "Images", "Training"
STOPPING, SEEDS, MACHINE = "Early stopping", "Seeds and confirmation", "Machine"
RUN, CONTINUING, WATCHING, INSTEAD = "Run folder", "Continuing", "Watching", "Instead of a search"

CONFIRM_SEEDS, KEEP_BEST, EPOCH_TIMEOUT = 3, 5, 600  # where neither the command line nor the run says otherwise
SHARE = 0.35  # of all epochs, for a ladder; docs/which-method.md says why
OF_A_RULE = ("grace_period", "reduction_factor", "audit", "share")  # settings of a rule; each rule has its own


@dataclass(frozen=True)
class Flag:
    """All facts about a flag but its type and its default."""

    group: str  # its heading in the help and in docs/flags.md
    kind: Kind
    text: str
    unset: str = ""  # what None means, in words
    least: int | None = None  # the smallest value
    most: int | None = None  # the largest value
    names: tuple[str, ...] = ()  # its spellings, if they do not follow from the field's name
    value: str | None = None  # the placeholder of its value in the help, if not its type
    complete: str | None = None  # the values that a shell offers: a function of search/terminal/completion.py


def flag(default: Default, group: str, kind: Kind, text: str, **more: Any) -> Default:
    """An entry: the default of a flag, and the facts about it."""
    entry: Any = field(default=default, metadata={"flag": Flag(group, kind, text, **more)})
    return entry


@dataclass(frozen=True, kw_only=True)
class Flags:
    """What a command line asks for: an entry for each flag, in the order of the help."""

    space: str | None = flag(
        None, SPACE, IDENTITY, "what to search: a file of spaces/, without .py, or a path", complete="spaces"
    )
    set_: list[str] | None = flag(
        None, SPACE, IDENTITY,
        "change the space: a value, several with commas, or a range, lr=loguniform(1e-4,1); repeatable", value="KEY=VALUE",
    )  # fmt: skip
    max_params: int | None = flag(None, SPACE, IDENTITY, "train no network with more parameters than this", least=1)
    algo: str | None = flag(
        None, SPACE, IDENTITY, algorithms.described(), unset="grid if the space has only choices, else random"
    )
    num_samples: int | None = flag(
        None, SPACE, TOTAL, "number of trials", unset="the whole grid, or the space's number", least=1
    )
    seed: int = flag(0, SPACE, IDENTITY, "seed of points and trials")
    warm_start: str | None = flag(
        None, SPACE, IDENTITY, "an earlier run; its best points are tried right after the baseline", complete="runs"
    )

    dataset: str = flag(
        "auto", IMAGES, IDENTITY,
        "auto, digits, cifar10, cifar100, folder:PATH, csv:PATH, npz:PATH, hf:PATH, torchvision:NAME or FILE.py:FUNCTION",
        complete="datasets",
    )  # fmt: skip
    data_dir: Path = flag(DATA_DIR, IMAGES, FREE, "folder of data archives, also for downloads")
    skip_bad: bool = flag(False, IMAGES, IDENTITY, "leave out images that cannot be read")
    group_by: str | None = flag(
        None, IMAGES, IDENTITY,
        "keep images of one group on one side: a column, or a part of the file's name as a regular expression",
    )  # fmt: skip
    resize: str = flag(
        CROP, IMAGES, IDENTITY,
        "for images that are not square: crop the centre, squash, or pad with black",
    )  # fmt: skip
    image_size: int | None = flag(
        None, IMAGES, IDENTITY, "height and width of every image in pixels; can also be searched",
        unset="the space's, else 32", least=16, most=1024,
    )  # fmt: skip
    fraction: float = flag(1.0, IMAGES, IDENTITY, "fraction of the training images, above 0 and at most 1")

    epochs: int | None = flag(
        None,
        TRAINING,
        TOTAL,
        "epochs per trial (growing needs a constant schedule)",
        unset="the space's",
        least=1,
        names=("--epochs", "--num-epochs"),
    )
    metric: str = flag(
        "accuracy",
        TRAINING,
        IDENTITY,
        f"what ranks trials, on the validation images: {', '.join(METRICS)}, or FILE.py:NAME",
    )
    precision: str = flag("auto", TRAINING, IDENTITY, "auto, fp32 or bf16")

    scheduler: str | None = flag(None, STOPPING, IDENTITY, Scheduler.described(), unset="the space's")
    grace_period: int = flag(1, STOPPING, IDENTITY, "epochs before the first decision", least=1)
    reduction_factor: int = flag(3, STOPPING, IDENTITY, "one trial in this many continues after each decision", least=2)
    share: str | None = flag(
        None, STOPPING, IDENTITY, "with ladder: fraction of all epochs to train, such as 25%", unset=f"{SHARE:.0%}"
    )
    audit: float = flag(0.0, STOPPING, IDENTITY, "fraction of trials spared early stopping, to check the rule")

    seeds: int | None = flag(
        None, SEEDS, TOTAL, "number of seeds that each configuration is trained on", unset="1", least=1
    )
    folds: int | None = flag(
        None, SEEDS, IDENTITY,
        "cross-validate: train each configuration this many times, each time with another fold of the images held out",
        unset="no folds: one validation split", least=2,
    )  # fmt: skip
    confirm: int | None = flag(
        None,
        SEEDS,
        TOTAL,
        "train this many of the best configurations, and the baseline, again on fresh seeds",
        unset="0",
        least=0,
    )
    confirm_seeds: int | None = flag(
        None,
        SEEDS,
        TOTAL,
        "number of fresh seeds for each configuration",
        unset=f"{CONFIRM_SEEDS}, or as many as folds",
        least=1,
    )

    cpus_per_trial: int = flag(1, MACHINE, IDENTITY, "cores and threads of a trial", least=1)
    gpus_per_trial: str | None = flag(
        None, MACHINE, FREE, "fraction of a GPU for each trial, 0 to 1; auto measures the fastest",
        unset="1 where there is one",
    )  # fmt: skip
    engine: str | None = flag(
        None, MACHINE, FREE, "number of trials that share one process per GPU, 1 to 32; auto measures the fastest",
        unset="a process for each trial",
    )  # fmt: skip
    max_concurrent: int | None = flag(None, MACHINE, FREE, "number of trials at once", unset="as many as fit", least=1)
    address: str | None = flag(None, MACHINE, FREE, "address of the Ray cluster to run on", unset="Ray is started here")
    epoch_timeout: int | None = flag(
        None, MACHINE, FREE, "seconds without a trained batch before a worker counts as hung",
        unset=f"{EPOCH_TIMEOUT}; none for your own training", least=1,
    )  # fmt: skip
    time_budget: str | None = flag(
        None, MACHINE, FREE, "stop cleanly after this time, such as 2h, 90m or 1h30m; the same command continues"
    )

    name: str | None = flag(None, RUN, SELECTS, "name of the run", unset="SPACE-DATASET; SPACE for your own training")
    runs_dir: Path = flag(Path("runs"), RUN, SELECTS, "where runs are kept")
    results: Path = flag(Path("results.md"), RUN, FREE, "where a copy of the leaderboard is written")
    keep_best: int | None = flag(
        None, RUN, TOTAL, "number of trials whose weights are kept", unset=str(KEEP_BEST), least=1
    )

    resume: str | None = flag(
        None, CONTINUING, SELECTS, "continue this run, a name or a path, with its recorded settings",
        complete="runs",
    )  # fmt: skip
    retry_failed: bool = flag(False, CONTINUING, FREE, "train failed configurations again")
    allow_changes: bool = flag(
        False, CONTINUING, FREE, "continue although the search was changed; the run records the change"
    )

    log_to: list[str] | None = flag(
        None, WATCHING, FREE, "show the run in tensorboard, optuna, mlflow or dvc during the search; repeatable",
        value="TOOL",
    )  # fmt: skip
    notify: str | None = flag(
        None, WATCHING, FREE, "URL or command that receives the first failure, each new best and the end as JSON"
    )
    quiet: bool = flag(False, WATCHING, FREE, "print no progress")

    list_spaces: bool = flag(False, INSTEAD, SELECTS, "list all spaces, one a line, and stop")
    show_space: str | None = flag(
        None, INSTEAD, SELECTS, "print this space with its first points and stop", complete="spaces"
    )
    dry_run: bool = flag(
        False, INSTEAD, SELECTS, "print trials, epochs, disk and time, measured on a few batches, and stop"
    )
    reproduce: str | None = flag(
        None, INSTEAD, SELECTS, "RUN/ID: train that row again without Ray, and compare the result"
    )
    out: Path | None = flag(
        None, INSTEAD, SELECTS, "with --reproduce: keep the trial in this folder", unset="a temporary one"
    )


FLAGS: dict[str, Flag] = {entry.name: entry.metadata["flag"] for entry in fields(Flags)}


def of_kind(kind: Kind) -> list[str]:
    """The names of the flags of a kind."""
    return [name for name, entry in FLAGS.items() if entry.kind is kind]


def spellings(name: str) -> tuple[str, ...]:
    """How a flag is written on a command line: --set for set_, and --epochs as well as --num-epochs."""
    return FLAGS[name].names or (f"--{name.rstrip('_').replace('_', '-')}",)


def described(name: str) -> str:
    """What a flag is for, and whether it may grow, in one line."""
    entry = FLAGS[name]
    return f"{entry.text}; may grow later" if entry.kind is TOTAL else entry.text


def check_bounds(asked: Any) -> None:
    """Refuse a number outside the bounds of its flag.

    Args:
        asked: has some of the flags as attributes.

    Raises:
        UsageError: a value is below the least one of its flag, or above the most.
    """
    for name, entry in FLAGS.items():
        value = getattr(asked, name, None)
        if entry.least is not None and value is not None and value < entry.least:
            raise UsageError(f"{spellings(name)[0]} must be at least {entry.least}, but got {value}.")
        if entry.most is not None and value is not None and value > entry.most:
            raise UsageError(f"{spellings(name)[0]} must be at most {entry.most}, but got {value}.")
