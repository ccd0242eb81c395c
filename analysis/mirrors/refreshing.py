"""Mirrors by name: found, checked, brought up to the ledger of a run.

It can be deleted and made again; doing it twice adds nothing; doing it while the search runs adds what is new. A module of
this package offers `refresh(run, before)`: bring the mirror up to `run`; what already held in `before` (the same run, read
earlier by this process, or none) need not be looked at again.
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

MIRRORS = {  # a module of this package: the package that it needs beyond the core
    "tensorboard": "tensorboard",
    "optuna": None,
    "mlflow": "mlflow",
    "dvc": None,
}

Refresh = Callable[[Run, Run | None], None]


def check(names: Sequence[str]) -> None:
    """Refuse a mirror that is not known or whose extra is not installed.

    Raises:
        UsageError: with the command that installs it.
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
    """The conversion of one mirror. What it needs is imported here and nowhere earlier."""
    refresh: Refresh = importlib.import_module(f"{__package__}.{name}").refresh
    return refresh


def mirror(folder: Path, names: Sequence[str]) -> None:
    """Bring each named mirror of a run up to its ledger.

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
    """The address of an SQLite file. A path with ? or % is quoted; others are not, because MLflow reads no quotes."""
    from sqlalchemy import URL, make_url

    path = str(file.resolve())
    plain = f"sqlite:///{path}"
    if make_url(plain).database == path:
        return plain
    return URL.create("sqlite", database=path).render_as_string()


def changed(run: Run, before: Run | None) -> list[Trial]:
    """The trials of run that may say more than they did in before. One that has not ended is always looked at again."""
    known = {trial.index: trial for trial in before.trials} if before else {}
    return [trial for trial in run.trials if not trial.ended or known.get(trial.index) != trial]
