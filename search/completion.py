"""What a shell may complete: names of spaces, runs and data sets. The shell asks for them at every Tab."""

from pathlib import Path

import typer


def spaces() -> list[str]:
    from spaces import names

    return names()


def datasets() -> list[str]:
    from trainables.named import FOLDER, NAMED

    return ["auto", *NAMED, FOLDER]


def runs(ctx: typer.Context, incomplete: str) -> list[str]:
    """The runs in --runs-dir, finished ones too, because they may grow; of a path that has been begun, those in its folder."""
    from search import resuming

    folder, slash, _ = incomplete.rpartition("/")
    if slash:
        return [f"{folder}/{name}" for name in resuming.names(Path(f"{folder}/"))]
    return resuming.names(Path(ctx.params.get("runs_dir") or "runs"))
