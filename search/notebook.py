"""A search from Python: the command of run_search.py in a process of its own, its lines shown where print shows them.

A process of its own, because a search installs signal handlers, sends stdout and stderr to Ray's log, and may end its process:
none of that may happen to a notebook.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from search.flags import Flags
from trainables.cli.paths import expanded
from trainables.errors import ExpectedError

__all__ = ["SearchFailedError", "run_search"]

COMMAND = Path(__file__).parents[1] / "run_search.py"
ENDED = (0, 1, 75)  # all trials ended, some of them failed, or the time budget is used up: there is a run to look at
RESULTS = "results: "


class SearchFailedError(ExpectedError):
    """The search ended with an error; `exit_code` is that of the command, and the message its line."""

    kind = "search"

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def run_search(space: str | None = None, **flags: Any) -> Path:
    """Search a space, or go on with a search; blocks until it has ended.

    Args:
        space: a file of spaces/ without .py; none with resume="NAME".
        flags: those of the command line with underscores (num_samples=8); True for one without a value, a list for one
            that may be repeated. False and None leave it out.

    Returns:
        The run folder, relative to where this was called if runs_dir is.

    Raises:
        SearchFailedError: whatever makes the command end with another exit code than 0, 1 and 75.
        KeyboardInterrupt: the search was stopped in order; the same call goes on.
    """
    lines: list[str] = []
    with subprocess.Popen(
        [sys.executable, str(COMMAND), *arguments({"space": space} | flags)],
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
    told = [line for line in lines if line.startswith(RESULTS)]
    if process.returncode not in ENDED or not told:
        raise SearchFailedError(message(lines), process.returncode)
    name = Path(told[-1].strip().rpartition(" and ")[2]).name
    return folder_of(name, flags)


def folder_of(name: str, flags: dict[str, Any]) -> Path:
    """The run of this name under the flag runs_dir, or what resume names by its path."""
    under = Path(expanded(str(flags.get("runs_dir") or Flags.runs_dir))) / name
    resumed = Path(expanded(str(flags.get("resume") or "")))
    return resumed if not under.exists() and resumed.name and resumed.exists() else under


def message(lines: list[str]) -> str:
    """The error with the details below it, or else the last line."""
    starts = [number for number, line in enumerate(lines) if line.startswith("error[")]
    return "".join(lines[starts[-1] if starts else -1 :]).strip()


def arguments(flags: dict[str, Any]) -> list[str]:
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
