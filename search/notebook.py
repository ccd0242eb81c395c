"""A search from Python: runs the command run_search.py in a process of its own and prints the lines of that process.

The search has a process of its own because it installs signal handlers, sends stdout and stderr to Ray's log, and may end its
process. None of this may happen to the process of a notebook.
"""

import importlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack, overload

from search.flags import Flags
from search.run import confirmation, ledger
from spaces import Space
from trainables.cli.paths import expanded
from trainables.errors import ExpectedError, SpaceError

__all__ = ["SearchEstimate", "SearchFailedError", "SearchedRun", "run_search"]

COMMAND = Path(__file__).parents[1] / "run_search.py"
ENDED = (0, 1, 75)  # all trials ended, some of them failed, or the time budget is used up: there is a run to look at
RESULTS = "results: "
ESTIMATED = re.compile(
    r"(?!note|warning|error)([a-z]+(?: already|:\d+)?): (.*)"
)  # also "ladder: ..." and "epochs:3: ..."


class SearchFailedError(ExpectedError):
    """The search ended with an error; the message is the error that the command printed, `exit_code` its exit code."""

    kind = "search"

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Keywords(TypedDict, total=False):
    """The flags of the command line, see docs/flags.md; a path may be a text."""

    set: list[str] | str | None
    max_params: int | None
    algo: str | None
    num_samples: int | None
    seed: int
    warm_start: str | None
    dataset: str
    data_dir: Path | str
    skip_bad: bool
    group_by: str | None
    resize: str
    image_size: int | None
    fraction: float
    metric: str
    epochs: int | None
    precision: str
    scheduler: str | None
    grace_period: int
    reduction_factor: int
    share: str | None
    audit: float
    seeds: int | None
    folds: int | None
    confirm: int | None
    confirm_seeds: int | None
    cpus_per_trial: int
    gpus_per_trial: float | str | None
    engine: int | str | None
    max_concurrent: int | None
    address: str | None
    epoch_timeout: int | None
    time_budget: str | None
    name: str | None
    runs_dir: Path | str
    results: Path | str
    keep_best: int | None
    resume: str | Path | None
    retry_failed: bool
    allow_changes: bool
    log_to: list[str] | str | None
    notify: str | None
    quiet: bool


@dataclass(frozen=True)
class SearchedRun:
    """A run after a search; each property reads the run folder.

    Attributes:
        folder: the run folder; relative to the folder in which the search was called, if runs_dir is relative.
    """

    folder: Path

    def __fspath__(self) -> str:
        return str(self.folder)

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def frame(self) -> Any:
        """The pandas frame of analysis.frame.read: a row for each trial, in the order of the plan."""
        return importlib.import_module("analysis.frame").read(self.folder)  # by its name: analysis needs search

    @property
    def trials(self) -> list[ledger.Trial]:
        """The trials with all their epochs, in the order of the plan."""
        return ledger.read(self.folder).trials

    @property
    def winner(self) -> ledger.Trial | None:
        """The trial that stands for the best configuration; none if no trial has finished."""
        return confirmation.winner(ledger.read(self.folder))

    @property
    def results(self) -> str:
        """results.md as text: IPython.display.Markdown shows it."""
        return (self.folder / "results.md").read_text("utf-8")


@dataclass(frozen=True)
class SearchEstimate:
    """What a search would cost.

    Attributes:
        told: the lines of --dry-run by the word before their colon: "trials", "epochs", "disk", "time", "share", ...
    """

    told: Mapping[str, str]

    def __str__(self) -> str:
        return "\n".join(f"{about}: {words}" for about, words in self.told.items())


@overload
def run_search(
    space: str | Path | Space | None = None, *, dry_run: Literal[True], **flags: Unpack[Keywords]
) -> SearchEstimate: ...


@overload
def run_search(
    space: str | Path | Space | None = None, *, dry_run: Literal[False] = False, **flags: Unpack[Keywords]
) -> SearchedRun: ...


def run_search(
    space: str | Path | Space | None = None, *, dry_run: bool = False, **flags: Unpack[Keywords]
) -> SearchedRun | SearchEstimate:
    """Search a space, or go on with a search; blocks until it has ended.

    Args:
        space: a file of spaces/ without .py, the path of another, or the Space of a file; none with resume="NAME".
        dry_run: say what the search would cost, and train nothing.
        flags: those of the command line with underscores (num_samples=8); True for one without a value, a list for one
            that may be repeated. False and None leave the flag out.

    Raises:
        SpaceError: a Space that lies in no file, so that no other process can import it.
        SearchFailedError: the command ended with another exit code than 0, 1 and 75, or printed no line about results.
        KeyboardInterrupt: the search was stopped cleanly; the same call continues it.
    """
    place = str(file_of(space)) if isinstance(space, Space) else space
    given: dict[str, Any] = {"space": place, "dry_run": dry_run, **flags}
    exit_code, lines = call(arguments(given))
    if exit_code in ENDED and dry_run:
        return SearchEstimate({found[1]: found[2] for line in lines if (found := ESTIMATED.match(line))})
    told = [line for line in lines if line.startswith(RESULTS)]
    if exit_code not in ENDED or not told:
        raise SearchFailedError(message(lines), exit_code)
    name = Path(told[-1].strip().rpartition(" and ")[2]).name
    return SearchedRun(folder_of(name, given))


def file_of(space: Space) -> Path:
    """The file of a loaded module whose SPACE is this space.

    Raises:
        SpaceError: no such file exists.
    """
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if getattr(module, "SPACE", None) is space and file and Path(file).is_file():
            return Path(file)
    raise SpaceError(
        "this Space lies in no file, so no other process can import it. In a notebook begin the cell that defines SPACE with "
        '%%writefile my_search.py, run it, and write run_search("my_search.py").'
    )


def call(words: list[str]) -> tuple[int, list[str]]:
    """Run the command with these arguments and print its output; return its exit code and its lines."""
    lines: list[str] = []
    with subprocess.Popen(
        [sys.executable, str(COMMAND), *words],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace", start_new_session=True,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    ) as process:  # fmt: skip
        try:
            repeat(process, lines)
        except KeyboardInterrupt:  # handed on once, because a second one would be impatience
            process.send_signal(signal.SIGINT)
            repeat(process, lines)
            process.wait()
            raise
    return process.returncode, lines


def folder_of(name: str, flags: Mapping[str, Any]) -> Path:
    """The folder of a run: `name` under the flag runs_dir or, if only that exists, the path that the flag resume gives."""
    under = Path(expanded(str(flags.get("runs_dir") or Flags.runs_dir))) / name
    resumed = Path(expanded(str(flags.get("resume") or "")))
    return resumed if not under.exists() and resumed.name and resumed.exists() else under


def message(lines: list[str]) -> str:
    """The last error among the lines, with all lines below it; without an error, the last line."""
    starts = [number for number, line in enumerate(lines) if line.startswith("error[")]
    return "".join(lines[starts[-1] if starts else -1 :]).strip()


def arguments(flags: Mapping[str, Any]) -> list[str]:
    """["--num-samples=8", "--set=lr=1,2", "--set=depth=3"] for {"num_samples": 8, "set": ["lr=1,2", "depth=3"]}."""
    found = []
    for key, value in flags.items():
        name = f"--{key.replace('_', '-')}"
        for each in value if isinstance(value, (list, tuple)) else [value]:
            if each is True:
                found.append(name)
            elif each is not None and each is not False:  # zero is a value
                found.append(f"{name}={each}")
    return found


def repeat(process: subprocess.Popen[str], lines: list[str]) -> None:
    """Print what the process says until it ends, and add it to `lines`."""
    assert process.stdout is not None
    for line in process.stdout:
        print(line, end="", flush=True)
        lines.append(line)
