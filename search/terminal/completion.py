"""What a shell may complete: names of spaces, runs and data sets. The shell asks for these names at every Tab."""

from pathlib import Path
from typing import Any


def spaces(incomplete: str) -> list[str]:
    """The names of our spaces and, once something is typed, the Python files and folders whose path begins with it."""
    from spaces import names

    return names() + (files(incomplete) if incomplete else [])


def files(incomplete: str) -> list[str]:
    """The Python files and folders whose path begins with `incomplete`, written in the way that the user types them."""
    folder, slash, start = incomplete.rpartition("/")
    try:
        found = sorted(Path(folder + slash or ".").iterdir())
    except OSError:
        return []
    shown = [path for path in found if path.name.startswith(start) and not path.name.startswith((".", "__"))]
    names = [path.name + "/" if path.is_dir() else path.name for path in shown if path.is_dir() or path.suffix == ".py"]
    return [folder + slash + name for name in names]


def datasets() -> list[str]:
    from trainables.data.names import FORMS, FUNCTION

    return ["auto", *(form.removesuffix("PATH").removesuffix("NAME") for form in FORMS if form != FUNCTION)]


def runs(ctx: Any, incomplete: str) -> list[str]:
    """The runs in --runs-dir or, once a path is begun, in its folder; finished runs too, because they may grow.

    Args:
        ctx: the typer.Context of the line so far; typer passes it because the parameter is called ctx.
    """
    from search.flags import Flags
    from search.run import resume

    folder, slash, _ = incomplete.rpartition("/")
    if slash:
        return [f"{folder}/{name}" for name in resume.names(Path(f"{folder}/"))]
    return resume.names(Path(ctx.params.get("runs_dir") or Flags.runs_dir))
