"""What came out of a search.

    python -m analysis leaderboard lr_sweep-digits
    python -m analysis leaderboard runs/lr_sweep-digits runs/depth_sweep-digits --format json
    python -m analysis verify lr_sweep-digits

A run is a path or a name under runs/. One run: its results.md, .csv, .json and plots are written again and its
leaderboard is printed. Several: one ranking over all of them, printed only.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from trainables.commandline import check_choice, execute, option, tell
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
    stale: Annotated[bool, option("only say whether results.md is what the ledger says", "--stale")] = False,
    runs_dir: Annotated[Path, option("where the runs lie [runs]")] = Path("runs"),
) -> int:
    """Rebuild the results of a run and print its leaderboard, or print one ranking over several runs.

    With --stale nothing is written: exit code 1 and one line for each results.md that is not what its ledger says.
    """
    check_choice("format", format, FORMATS)
    from analysis import joined, standing, write  # pandas loads here, after the arguments are known to be good
    from search import ledger

    folders = list(dict.fromkeys(joined.find(name, runs_dir).resolve() for name in runs))
    found = [ledger.read(folder) for folder in folders]
    if stale:
        old = [run.folder for run in found if write.is_stale(run)]
        tell("".join(f"stale: {folder / 'results.md'}\n" for folder in old))
        return int(bool(old))
    where = standing.stand(found[0]) if len(found) == 1 else None
    tell(joined.show(found, format, where))  # first, so that a run that cannot be written to is at least shown
    if where:
        write.write_files(found[0], where)
    return 0


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
    tell(f"{folder}: sound\n")


if __name__ == "__main__":
    sys.exit(execute(app, "python -m analysis", sys.argv[1:]))
