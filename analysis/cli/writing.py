"""Writing what follows from a run, into it."""

import sys
from collections.abc import Callable

from trainables.cli.execution import tell
from trainables.errors import DeniedError


def write_if_allowed(write: Callable[[], object]) -> None:
    """Write what follows from a run, into it; that of a colleague may be for reading only."""
    try:
        write()
    except DeniedError as error:
        tell(f"note: the files of the run stay as they are: {error.message}\n", sys.stderr)
