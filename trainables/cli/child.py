"""How a process of ours is started that runs another module of this project."""

import json
import os
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def command(module: str, *words: str) -> list[str]:
    """Run the module; -P: nothing is imported from where the user stands."""
    return [sys.executable, "-P", "-m", module, *words]


def environment() -> dict[str, str]:
    """Ours, in which this project is found however it was found here."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def answer(found: dict[str, Any]) -> None:
    """Write what was found into the file that the command line names, whole or not at all, and end at once.

    Whatever threads a user's code has started end, too, and what libraries would say at the end is not said.
    """
    path = Path(sys.argv[1])
    part = path.with_suffix(".part")
    part.write_text(json.dumps(found), "utf-8")
    part.rename(path)
    os._exit(0)
