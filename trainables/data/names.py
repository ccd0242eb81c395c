"""The kinds of data sets by their names on the command line. The module imports nothing slow, for shell completion."""

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
NAMED = tuple(form for form in FORMS if ":" not in form)  # data sets with a fixed name
NAMES = ("auto", *FORMS)
RESIZES = CROP, SQUASH, PAD = ("crop", "squash", "pad")  # ways to make a picture square
ELSEWHERE = "/path/to/"  # stands for an unknown folder in a command for another machine


def form(dataset: str) -> str:
    """The one of FORMS that the name of a data set has.

    Raises:
        DataError: the name has none of these forms; the message suggests the closest.
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
    """Whether the name of a data set holds a path."""
    return form(dataset).endswith("PATH") or form(dataset) == FUNCTION


def place(dataset: str) -> Path:
    """The absolute path in the name of a data set, with all links resolved, so that one place has one spelling."""
    own = dataset.rpartition(":")[0] if form(dataset) == FUNCTION else dataset.partition(":")[2]
    return Path(os.path.realpath(expanded(own)))


def renamed(dataset: str, path: str) -> str:
    """The name of a data set with another path in it."""
    if form(dataset) == FUNCTION:
        return f"{path}:{dataset.rpartition(':')[2]}"
    return f"{dataset.partition(':')[0]}:{path}"


def canonical(dataset: str) -> str:
    """The one canonical name of a data set, whose path is absolute and without links."""
    return renamed(dataset, str(place(dataset))) if has_place(dataset) else dataset


def elsewhere(dataset: str) -> str:
    """The name of a data set for another machine, with /path/to/ in place of its folder."""
    return renamed(dataset, f"{ELSEWHERE}{place(dataset).name}") if has_place(dataset) else dataset


def base_name(folder: Path) -> str:
    """The last part of a path, reduced to letters, digits, dots, dashes and underscores."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", folder.name).strip("-.") or "folder"
