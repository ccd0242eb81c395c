"""What a shell may complete: names of spaces, runs and data sets. The shell asks for them at every Tab."""

from pathlib import Path
from typing import Any


def spaces() -> list[str]:
    from spaces import names

    return names()


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
