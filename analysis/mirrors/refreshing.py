"""Find mirrors by name, check that they are installed, and update mirrors from the ledger of a run.

A mirror can be deleted and made again. Updating a mirror twice adds nothing. Updating a mirror while the search runs adds only
new facts.

Each mirror is a module of this package with a function `refresh(run, before)`, which updates the mirror to the state of `run`.
`before` is the same run as this process read it earlier, or None. Trials that did not change since `before` can be skipped.
"""

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path

from search.run import ledger
from search.run.ledger import Run, Trial
from trainables.config import unknown
from trainables.errors import UsageError
from trainables.files import durable

MIRRORS = {  # name of the mirror's module in this package: the optional package that the mirror needs
    "tensorboard": "tensorboard",
    "optuna": None,
    "mlflow": "mlflow",
    "dvc": None,
}

Refresh = Callable[[Run, Run | None], None]


def check(names: Sequence[str]) -> None:
    """Refuse a mirror that is not known or whose optional package is not installed.

    Raises:
        UsageError: the mirror is unknown, or not installed; then the message has the command that installs it.
    """
    for name in names:
        if name not in MIRRORS:
            raise UsageError(unknown("mirror", name, MIRRORS))
        package = MIRRORS[name]
        if package and importlib.util.find_spec(package) is None:
            raise UsageError(
                f'{name} is not installed: pip install "cifar-search[{name}]". Then run the same command again.'
            )


def find(name: str) -> Refresh:
    """The `refresh` function of one mirror; the mirror's module, and the packages it needs, are imported only here."""
    refresh: Refresh = importlib.import_module(f"{__package__}.{name}").refresh
    return refresh


def mirror(folder: Path, names: Sequence[str]) -> None:
    """Update each named mirror of a run from the run's ledger.

    Raises:
        UsageError: an unknown mirror, or an extra that is missing.
        RunError: the folder is no run or is damaged.
        LockedError: another process is refreshing the mirrors of this run.
    """
    check(names)
    ledger.read_identity(folder)  # or a lock would be taken in a folder that is no run
    refreshers = [find(name) for name in names]
    with durable.folder_lock(folder):
        run = ledger.read(folder)
        for refresh in refreshers:
            refresh(run, None)


def database(file: Path) -> str:
    """The URL of an SQLite file; a path is quoted only if it must be (such as with ? or %): MLflow does not unquote."""
    from sqlalchemy import URL, make_url

    path = str(file.resolve())
    plain = f"sqlite:///{path}"
    if make_url(plain).database == path:
        return plain
    return URL.create("sqlite", database=path).render_as_string()


def changed(run: Run, before: Run | None) -> list[Trial]:
    """The trials of `run` that may differ from those in `before`; a trial that has not ended is always among them."""
    known = {trial.index: trial for trial in before.trials} if before else {}
    return [trial for trial in run.trials if not trial.ended or known.get(trial.index) != trial]
