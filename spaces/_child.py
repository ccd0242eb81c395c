"""The process that imports a user's files first: python -m spaces._child ANSWER WHERE PATH FOLDER METRIC.

PATH is the path of a space, METRIC the name of a metric below FOLDER; either may be empty.
"""

import json
import os
import sys
from pathlib import Path
from types import ModuleType

from spaces._loading import checked, is_code_of_run
from trainables.errors import SpaceError
from trainables.objective import Objective
from trainables.own import collect, metric
from trainables.parts import named


def answer(where: str, path: str, folder: str, text: str) -> dict[str, object]:
    """The answer about a space and a metric: the user's files that they need, the objective, or the error."""
    found: dict[str, object] = {}
    try:
        files = of_space(where, Path(path)) if path else {}
        if text:
            objective, more = of_metric(text, Path(folder))
            files |= more
            found["objective"] = objective.record()
    except SpaceError as error:
        return {"error": str(error)}
    return found | {"files": {place: str(file) for place, file in files.items()}}


def of_metric(text: str, folder: Path) -> tuple[Objective, dict[str, Path]]:
    """The objective of a metric, and the user's files that the metric needs."""
    prefix = text.partition(":")[0]
    if prefix.endswith(".py") and "/" not in prefix:
        collect.check_name(folder / prefix)
    named.reach(folder)
    before = set(sys.modules)
    objective = metric.objective(text, folder)
    file = getattr(sys.modules.get(prefix), "__file__", None)
    if file and collect.is_users(Path(file)):
        raise SpaceError(f"metric {text} lies in a file of yours. Write {Path(file).name}:{text.partition(':')[2]}.")
    return objective, collect.loaded_since(before, folder)


def of_space(where: str, path: Path) -> dict[str, Path]:
    """The user's files that a space needs."""
    files: dict[str, Path] = {}

    def import_it() -> ModuleType:
        files.update(collect.import_entry(path))
        return sys.modules[path.stem]

    space, _ = checked(where, path, import_it)
    if not is_code_of_run(path.parent):
        collect.check_declared(where, path.parent, space.files)
    return files | collect.programs(path.parent, [*space.files, *(space.command or ())])


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(answer(*sys.argv[2:])), "utf-8")
    os._exit(0)  # whatever threads the user's modules have started
