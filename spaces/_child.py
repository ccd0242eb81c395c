"""The process that imports a user's file first: python -m spaces._child WHERE PATH ANSWER."""

import json
import os
import sys
from pathlib import Path
from types import ModuleType

from spaces._loading import checked
from trainables.errors import SpaceError
from trainables.own import collect


def answer(where: str, path: Path) -> dict[str, object]:
    """What there is to say of a file: the user's files that it needs, or what is wrong."""
    files: dict[str, Path] = {}

    def import_it() -> ModuleType:
        files.update(collect.import_entry(path))
        return sys.modules[path.stem]

    try:
        space, _ = checked(where, path, import_it)
        files |= collect.programs(path.parent, [*space.files, *(space.command or ())])
    except SpaceError as error:
        return {"error": str(error)}
    return {"files": {place: str(file) for place, file in files.items()}}


if __name__ == "__main__":
    Path(sys.argv[3]).write_text(json.dumps(answer(sys.argv[1], Path(sys.argv[2]))), "utf-8")
    os._exit(0)  # whatever threads the user's modules have started
