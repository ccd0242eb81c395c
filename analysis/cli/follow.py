"""`python -m analysis follow`: what a search starts for --log-to and --notify."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from trainables.cli.options import option


def follow(
    run: Annotated[Path, typer.Argument(metavar="FOLDER", show_default=False)],
    to: Annotated[list[str] | None, option("mirrors", "--to")] = None,
    notify: Annotated[str | None, option("address or command")] = None,
) -> None:
    """What a search starts for --log-to and --notify: converts and tells whenever a byte comes on stdin."""
    from analysis.mirrors import following

    followers = [following.mirroring(name) for name in to or []]
    followers += [following.notifying(notify)] if notify else []
    following.follow(run, followers, sys.stdin.fileno())
