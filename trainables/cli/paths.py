"""Paths as users type them on a command line."""

import os
from pathlib import Path

from trainables.errors import UsageError

DATA_DIR = Path("data")  # where archives lie, unless --data-dir says otherwise


def expanded(text: str) -> str:
    """A path with a leading ~ or ~user expanded. A shell itself expands neither --runs-dir=~/a nor a ~ in quotes.

    Raises:
        UsageError: the machine has no user of that name.
    """
    found = os.path.expanduser(text)  # noqa: PTH111 (as text, for a Path forgets a last slash)
    if found.startswith("~"):
        raise UsageError(
            f"no home folder: {text}: this machine has no user of that name. Write the whole path, or ./{text}."
        )
    return found
