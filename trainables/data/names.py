"""The kinds of data sets, by how they are named on the command line. Loads nothing slow, for shells that complete."""

import os
import re
from pathlib import Path

from trainables.cli.paths import expanded
from trainables.config import unknown
from trainables.errors import DataError

FOLDER = "folder:"  # PATH follows
FUNCTION = "FILE.py:FUNCTION"
SOURCES = {  # how a data set is named: the file in sources/ that reads it
    "digits": "digits",
    "cifar10": "cifar",
    "cifar100": "cifar",
    f"{FOLDER}PATH": "image_folder",
    "csv:PATH": "table",
    "npz:PATH": "npz",
    "hf:PATH": "parquet",
    "torchvision:NAME": "torchvision_sets",
    FUNCTION: "function",
}
FORMS = tuple(SOURCES)
NAMED = tuple(form for form in FORMS if ":" not in form)  # these have one name, the others one for each path
NAMES = ("auto", *FORMS)
RESIZES = CROP, SQUASH, PAD = ("crop", "squash", "pad")  # what becomes of a picture that is not square
ELSEWHERE = "/path/to/"  # in a command for a machine where it is not known where images lie


def form(dataset: str) -> str:
    """Which of the forms a name has.

    Raises:
        DataError: none; the message has the closest one.
    """
    kind, colon, path = dataset.partition(":")
    found = next((form for form in FORMS if path and form.startswith(f"{kind}{colon}")), dataset)
    file, _, function = dataset.rpartition(":")
    if found == dataset and file.endswith(".py") and function.isidentifier():
        return FUNCTION
    if found not in SOURCES:
        raise DataError(unknown("data set", dataset, NAMES))
    return found


def has_place(dataset: str) -> bool:
    """Whether a data set is named by where it lies."""
    return form(dataset).endswith("PATH") or form(dataset) == FUNCTION


def place(dataset: str) -> Path:
    """The absolute path of what has a place, without links and detours, so that it has one name however it is spelt."""
    own = dataset.rpartition(":")[0] if form(dataset) == FUNCTION else dataset.partition(":")[2]
    return Path(os.path.realpath(expanded(own)))


def renamed(dataset: str, path: str) -> str:
    """The same with another path."""
    if form(dataset) == FUNCTION:
        return f"{path}:{dataset.rpartition(':')[2]}"
    return f"{dataset.partition(':')[0]}:{path}"


def canonical(dataset: str) -> str:
    """The one name of a data set, however its path is spelt."""
    return renamed(dataset, str(place(dataset))) if has_place(dataset) else dataset


def elsewhere(dataset: str) -> str:
    """The name of a data set for people who have it at another place."""
    return renamed(dataset, f"{ELSEWHERE}{place(dataset).name}") if has_place(dataset) else dataset


def base_name(folder: Path) -> str:
    """The name of a folder or file in letters, digits, dots, dashes and underscores."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", folder.name).strip("-.") or "folder"
