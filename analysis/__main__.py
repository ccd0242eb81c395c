"""What came out of a search.

    python -m analysis leaderboard lr_sweep-digits
    python -m analysis leaderboard runs/lr_sweep-digits runs/depth_sweep-digits --format json
    python -m analysis verify lr_sweep-digits
    python -m analysis watch lr_sweep-digits
    python -m analysis mirror lr_sweep-digits --to tensorboard --to optuna

A run is a path or a name under runs/. One run: its results.md, .csv, .json and plots are written again and its
leaderboard is printed. Several: one ranking over all of them, printed only.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from trainables.commandline import check_choice, execute, option
from trainables.errors import RunError

FORMATS = ("md", "csv", "json")
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.callback()
def analysis() -> None:
    """What came out of a search. A RUN is a path or a name under runs/."""


@app.command()
def leaderboard(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="paths, or names under --runs-dir", show_default=False)
    ],
    format: Annotated[str, option("md, csv or json [md]")] = "md",
    runs_dir: Annotated[Path, option("where the runs lie [runs]")] = Path("runs"),
) -> None:
    """Rebuild the results of a run and print its leaderboard, or print one ranking over several runs."""
    check_choice("format", format, FORMATS)
    from analysis import joined, write  # pandas loads here, after the arguments are known to be good
    from search import ledger

    folders = list(dict.fromkeys(joined.find(name, runs_dir).resolve() for name in runs))
    found = [ledger.read(folder) for folder in folders]
    if len(found) == 1:
        write.write_files(found[0])
    print(joined.show(found, format), end="")


@app.command()
def verify(
    run: Annotated[str, typer.Argument(metavar="RUN", help="a path, or a name under --runs-dir", show_default=False)],
    runs_dir: Annotated[Path, option("where the runs lie [runs]")] = Path("runs"),
) -> None:
    """Check a whole run folder: every line, checksum and decision; the first thing that is wrong is an error."""
    from analysis import joined
    from analysis.verify import verify as violations

    folder = joined.find(run, runs_dir)
    found = violations(folder)
    if found:
        raise RunError(f"not sound: {found[0]} ({len(found)} in all). Restore the folder from a copy.")
    print(f"{folder}: sound")


@app.command()
def watch(
    run: Annotated[str, typer.Argument(metavar="RUN", help="a path, or a name under --runs-dir", show_default=False)],
    runs_dir: Annotated[Path, option("where the runs lie [runs]")] = Path("runs"),
) -> None:
    """Follow a search from another terminal until it is complete; printed once where stdout is no terminal."""
    from rich.console import Console

    from analysis import joined
    from analysis.watch import watch as show

    show(joined.find(run, runs_dir), Console())


@app.command()
def mirror(
    run: Annotated[str, typer.Argument(metavar="RUN", help="a path, or a name under --runs-dir", show_default=False)],
    to: Annotated[list[str], option("tensorboard, optuna, mlflow or dvc; may be given several times", "--to")],
    runs_dir: Annotated[Path, option("where the runs lie [runs]")] = Path("runs"),
) -> None:
    """Show a run in another tool: convert its ledger, adding what is new."""
    from analysis import joined, mirrors

    mirrors.mirror(joined.find(run, runs_dir), to)


@app.command(hidden=True)
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


if __name__ == "__main__":
    sys.exit(execute(app, "python -m analysis", sys.argv[1:]))
