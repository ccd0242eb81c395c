"""local.json: where a run's images lie on this machine, and where own training runs. In no report, mirror or export.

The file may be deleted: then the user has to name a folder of images again, and own training runs in the current folder.
"""

import contextlib
from pathlib import Path

from trainables.data import names
from trainables.errors import DataError, ExpectedError
from trainables.files import durable
from trainables.files.durable import Record

FILE = "local.json"


def keep(run: Path, dataset: str, data_dir: Path) -> None:
    """Remember where the images of a run are.

    Args:
        dataset: the resolved name of the images; it is kept only for images with a place of their own.
        data_dir: the folder where archives lie; the cache lies beside them.

    Raises:
        StorageError: the disk refused.
    """
    record = {"data_dir": str(data_dir.absolute())}
    if dataset not in names.NAMED:
        record["dataset"] = names.canonical(dataset)
    write(run, record)


def keep_place(run: Path) -> str:
    """Remember the current folder as the place where the user's own training runs, unless the run has one already.

    Returns:
        A line for the user if the run's place is another folder; else an empty text.

    Raises:
        StorageError: the disk refused.
    """
    before = place(run)
    if before is None:
        write(run, {"place": str(Path.cwd())})
        return ""
    return "" if before == Path.cwd() else f"your code runs in {before}, where this run was started"


def place(run: Path) -> Path | None:
    """The folder where the user's own training runs; None if none is known or the folder is gone."""
    found = known(run).get("place")
    return Path(found) if found and Path(found).is_dir() else None


def write(run: Path, record: Record) -> None:
    if known(run) == record:
        return
    durable.write_json(run / FILE, record)
    with contextlib.suppress(OSError):  # a file system without modes; the run folder is closed to others anyway
        (run / FILE).chmod(0o600)


def known(run: Path) -> Record:
    """What is remembered: `data_dir`, and `dataset` for images of the user's own; empty if local.json is lost or damaged."""
    try:
        record = durable.read_json(run / FILE)
    except ExpectedError:
        return {}
    return {key: value for key, value in record.items() if isinstance(value, str)}


def dataset(run: Path) -> str | None:
    """The images that a run was last trained on here, with their place; none if that is not known.

    Raises:
        DataError: the images are not there any more.
    """
    name = known(run).get("dataset", "")
    if name in names.NAMED:  # they have no place, so it was not written here
        return None
    try:
        names.form(name)
    except DataError:
        return None
    if names.has_place(name) and not names.place(name).exists():
        raise DataError(
            f"images are gone: {names.place(name)}: {run.name} was trained on them. Say where they are now: "
            f"--dataset {names.elsewhere(name)}."
        )
    return name
