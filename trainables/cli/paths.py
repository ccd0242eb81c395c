"""Paths as people type them."""

import os
from pathlib import Path

from trainables.errors import UsageError

DATA_DIR = Path("data")  # where archives lie, unless --data-dir says otherwise


def expanded(text: str) -> str:
    """A leading ~ or ~user as a shell expands it, which it does in few places: not in --runs-dir=~/a, nor in quotes.

    Raises:
        UsageError: nobody knows that home folder.
    """
    found = os.path.expanduser(text)  # noqa: PTH111 (as text, for a Path forgets a last slash)
    if found.startswith("~"):
        raise UsageError(
            f"no home folder: {text}: this machine has no user of that name. Write the whole path, or ./{text}."
        )
    return found
