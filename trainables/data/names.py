"""The kinds of data sets, by how they are named on the command line. Loads nothing slow, for shells that complete."""

import os
import re
from pathlib import Path

from trainables.cli.paths import expanded
from trainables.config import unknown
from trainables.errors import DataError

FOLDER = "folder:"  # PATH follows
SOURCES = {  # how a data set is named: the file in sources/ that reads it
    "digits": "digits",
    "cifar10": "cifar",
    "cifar100": "cifar",
    f"{FOLDER}PATH": "image_folder",
}
FORMS = tuple(SOURCES)
NAMED = tuple(form for form in FORMS if ":" not in form)  # these have one name, the others one for each path
NAMES = ("auto", *FORMS)


def form(dataset: str) -> str:
    """Which of the forms a name has.

    Raises:
        DataError: none; the message has the closest one.
    """
    kind, _, path = dataset.partition(":")
    found = f"{kind}:PATH" if path else dataset
    if found not in SOURCES:
        raise DataError(unknown("data set", dataset, NAMES))
    return found


def folder_of(dataset: str) -> Path:
    """The absolute path in folder:PATH, without links and detours, so that a folder has one name however it is spelt."""
    return Path(os.path.realpath(expanded(dataset.removeprefix(FOLDER))))


def base_name(folder: Path) -> str:
    """The name of a folder in letters, digits, dots, dashes and underscores."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", folder.name).strip("-.") or "folder"
