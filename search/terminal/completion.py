"""What a shell may complete: names of spaces, runs and data sets. The shell asks for them at every Tab."""

from pathlib import Path
from typing import Any


def spaces(incomplete: str) -> list[str]:
    """The names of our spaces and, once something is typed, the Python files and folders that begin so."""
    from spaces import names

    return names() + (files(incomplete) if incomplete else [])


def files(incomplete: str) -> list[str]:
    """Python files and folders whose path begins so, as it is typed."""
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
    """The runs in --runs-dir, finished ones too, because they may grow; of a path that has been begun, those in its folder.

    Args:
        ctx: the typer.Context of the line so far; typer knows it by its name.
    """
    from search.flags import Flags
    from search.run import resume

    folder, slash, _ = incomplete.rpartition("/")
    if slash:
        return [f"{folder}/{name}" for name in resume.names(Path(f"{folder}/"))]
    return resume.names(Path(ctx.params.get("runs_dir") or Flags.runs_dir))
