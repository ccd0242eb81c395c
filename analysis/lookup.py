"""Find a run and a trial by the names RUN and RUN/ID that a person types on a command line."""

from pathlib import Path

from analysis.results import next_step
from search.run import confirmation, ledger
from search.run.ledger import Run, Trial
from trainables.config import unknown
from trainables.errors import RunError

LISTED = 5  # trials that an error names


def find(name: str, runs_dir: Path) -> tuple[Run, Trial | None]:
    """Find the run, and also the trial if the name ends with /ID: an index, the start of a hash, or 0003-7f3a9c.

    Raises:
        RunError: there is no such run, or not exactly one such trial.
    """
    stripped = name.rstrip("/")
    if (runs_dir / stripped / "run.json").exists() or (Path(stripped) / "run.json").exists():
        return ledger.read(run_folder(stripped, runs_dir)), None
    before, slash, identifier = stripped.rpartition("/")
    if not slash:
        return ledger.read(run_folder(stripped, runs_dir)), None
    run = ledger.read(run_folder(before.removesuffix("/trials"), runs_dir))
    return run, named(run, identifier)


def run_folder(name: str, runs_dir: Path) -> Path:
    """The folder of a run: a name under runs_dir, or a path.

    Raises:
        RunError: there is no such run; the message has the closest name.
    """
    if (runs_dir / name / "run.json").exists():
        return runs_dir / name
    if Path(name).exists():
        return Path(name)
    if Path(name).name != name:
        raise RunError(
            f"unknown run: {name}: there is no such folder. Correct the path, or give a name and --runs-dir DIR."
        )
    known = sorted(path.parent.name for path in runs_dir.glob("*/run.json"))
    if not known:
        raise RunError(f"unknown run {name!r}: {runs_dir} holds no run. Give a path, or --runs-dir DIR.")
    raise RunError(unknown("run", name, known))


def named(run: Run, identifier: str) -> Trial:
    """The one trial with this index, this start of a hash, or this start of a label such as 0003-7f3a9c.

    Raises:
        RunError: there is no such trial, or more than one.
    """
    exact = [trial for trial in run.trials if identifier.isdecimal() and trial.index == int(identifier)]
    found = exact or [trial for trial in run.trials if identifier and matches(trial, identifier)]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(trial.label for trial in found[:LISTED])
        raise RunError(f"ambiguous trial: {run.name}/{identifier}: {names}. Give more of the hash, or the index.")
    more = f" and {len(run.trials) - LISTED} more" if len(run.trials) > LISTED else ""
    known = ", ".join(trial.label for trial in run.trials[:LISTED]) + more
    raise RunError(f"no such trial: {run.name}/{identifier}. Known: {known or 'none'}.")


def matches(trial: Trial, identifier: str) -> bool:
    start = identifier.casefold()  # a hash that was copied in capitals is the same hash
    return trial.id.startswith(start) or trial.label.startswith(start)


def winner(run: Run) -> Trial:
    """The winner of a run.

    Raises:
        RunError: the run has no winner yet.
    """
    best = confirmation.winner(run)
    if best is None:
        raise RunError(f"no winner: {run.folder}: {next_step.came_to(run)}. {next_step.of_run(run)}")
    return best


def find_or_winner(name: str, runs_dir: Path) -> tuple[Run, Trial]:
    """The run and the named trial; the run's winner if the name has no trial."""
    run, trial = find(name, runs_dir)
    return run, trial or winner(run)
