"""How a process of ours is started that runs another module of this project."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def command(module: str, *words: str) -> list[str]:
    """Run the module; -P: nothing is imported from where the user stands."""
    return [sys.executable, "-P", "-m", module, *words]


def environment() -> dict[str, str]:
    """Ours, in which this project is found however it was found here."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
