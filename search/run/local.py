"""local.json: what only this machine knows of a run, which is where its images lie. Private: in no report, mirror or export.

It may be deleted: then a folder of images has to be named again.
"""

import contextlib
from pathlib import Path

from trainables.data.names import FOLDER, folder_of
from trainables.errors import DataError, ExpectedError
from trainables.files import durable
from trainables.files.durable import Record

FILE = "local.json"


def keep(run: Path, dataset: str, data_dir: Path) -> None:
    """Remember where the images of a run are.

    Args:
        dataset: resolved: of a folder of images its path is kept.
        data_dir: where archives lie and the cache lies beside.

    Raises:
        StorageError: the disk refused.
    """
    record = {"data_dir": str(data_dir.absolute())}
    if dataset.startswith(FOLDER):
        record["dataset"] = f"{FOLDER}{folder_of(dataset)}"
    if known(run) == record:
        return
    durable.write_json(run / FILE, record)
    with contextlib.suppress(OSError):  # a file system without modes; the run folder is closed to others anyway
        (run / FILE).chmod(0o600)


def known(run: Path) -> Record:
    """What is remembered: `data_dir`, and `dataset` for a folder of images; nothing if it is lost or damaged."""
    try:
        record = durable.read_json(run / FILE)
    except ExpectedError:
        return {}
    return {key: value for key, value in record.items() if isinstance(value, str)}


def dataset(run: Path, title: str) -> str | None:
    """folder:PATH of the images that a run was last trained on here; none if that is not known.

    Args:
        title: what the run calls its images.

    Raises:
        DataError: they are not there any more.
    """
    name = known(run).get("dataset", "")
    if not name.startswith(FOLDER):
        return None
    if not folder_of(name).is_dir():
        raise DataError(
            f"images are gone: {folder_of(name)}: {run.name} was trained on them. Say where they are now: "
            f"--dataset folder:/path/to/{title}."
        )
    return str(name)
