"""What came out of a search.

    python -m analysis leaderboard lr_sweep-digits
    python -m analysis leaderboard runs/lr_sweep-digits runs/depth_sweep-digits --format json
    python -m analysis leaderboard mlp_random-digits --filter 'lr > 1e-3 and depth == 2' --sort -lr --columns lr,depth
    python -m analysis show mlp_random-digits/7f3a
    python -m analysis compare mlp_random-digits lr_sweep-digits
    python -m analysis export mlp_random-digits my-network
    python -m analysis predict my-network photo.png
    python -m analysis report mlp_random-digits
    python -m analysis suspects mlp_random-digits
    python -m analysis verify lr_sweep-digits
    python -m analysis watch lr_sweep-digits
    python -m analysis mirror lr_sweep-digits --to tensorboard --to optuna

A run is a path or a name under runs/, and RUN/ID one of its trials: an index or the start of a hash. The leaderboard of
one run: its results.md, .csv, .json and plots are written again and it is printed. Of several: one ranking over all of
them, printed only. stdout is only the result.
"""

import gc
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

sys.path.insert(0, str(Path(__file__).parents[1]))  # where the user stands there may be a `search/`, too

from search.flags import Flags
from trainables.cli.execution import check_choice, execute, tell
from trainables.cli.options import Command, Version, application, option, with_examples
from trainables.errors import DataError, DeniedError, RunError, UsageError

if TYPE_CHECKING:
    from analysis.cli.selection import Selection

FORMATS = ("md", "csv", "json")
RunsDir = Annotated[Path, option("where the runs lie")]
Form = Annotated[str, option("md, csv or json")]
Filter = Annotated[str | None, option("rows that fulfil a condition: 'val_accuracy > 0.9 and status == finished'")]
Sort = Annotated[str | None, option("by a column; -COLUMN for the largest first [best first]")]
Top = Annotated[int | None, option("so many rows at most [all]")]
Columns = Annotated[str | None, option("names with commas between; the id is always there")]
Dataset = Annotated[str, option("the run's images, where they are not where they were: folder:PATH")]
DataDir = Annotated[Path, option("where archives lie")]

app = application(add_completion=False)
command = partial(app.command, cls=Command)


@app.callback(help=with_examples("What came out of a search. A RUN is a path or a name under runs/.", __doc__))
def analysis(version: Version = False) -> None:
    """What all commands share."""


@command()
def leaderboard(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="paths, or names under --runs-dir", show_default=False)
    ],
    format: Form = "md",
    filter: Filter = None,
    sort: Sort = None,
    top: Top = None,
    columns: Columns = None,
    metric: Annotated[str | None, option("rank by another metric than the search did; prints only")] = None,
    stale: Annotated[bool, option("only say whether results.md is what the ledger says", "--stale")] = False,
    runs_dir: RunsDir = Flags.runs_dir,
) -> int:
    """Rebuild the results of a run and print its leaderboard, or print one ranking over several runs.

    With --stale nothing is written: exit code 1 and one line for each results.md that is not what its ledger says.
    """
    check_choice("format", format, FORMATS)
    gc.disable()  # half a million rows are no garbage, however often they are looked through, and the process ends soon
    from analysis.cli import selection
    from analysis.plots import drawing_process
    from analysis.ranking import standing  # pandas loads here, after the arguments are known to be good
    from analysis.results import across_runs, files
    from search.run import ledger

    asked = selection.Selection(filter=filter, sort=sort, top=top, columns=columns)
    folders = list(dict.fromkeys(across_runs.find(name, runs_dir).resolve() for name in runs))
    if metric is not None:
        remeasured(folders, metric, format, asked)
        return 0
    if stale:
        old = [folder for folder in folders if files.is_stale(ledger.read(folder))]
        tell("".join(f"stale: {folder / 'results.md'}\n" for folder in old))
        return int(bool(old))
    with drawing_process.for_one_of_many(folders) as ask:
        found = [ledger.read(folder) for folder in folders]
        where = standing.stand(found[0]) if len(found) == 1 else None
        # shown first, so that of a run that cannot be written to at least that is there
        tell(across_runs.show(found, format, where) if asked.is_everything else selection.listed(found, format, asked))
        if where:
            write_if_allowed(lambda: files.write_files(found[0], where, ask))
    return 0


def remeasured(folders: Sequence[Path], metric: str, format: str, asked: "Selection") -> None:
    """Print the ranking of runs by another metric than their searches went by."""
    from analysis.cli import selection
    from analysis.frame import remeasured
    from analysis.results import across_runs
    from search.run import ledger
    from trainables.objective import named

    found = [remeasured.by(ledger.read(folder), named(metric)) for folder in folders]
    for _, told in found:
        tell(f"note: {told}\n", sys.stderr)
    runs = [run for run, _ in found]
    tell(across_runs.show(runs, format) if asked.is_everything else selection.listed(runs, format, asked))


def write_if_allowed(write: Callable[[], object]) -> None:
    """Write what follows from a run, into it; that of a colleague may be for reading only."""
    try:
        write()
    except DeniedError as error:
        tell(f"note: the files of the run stay as they are: {error.message}\n", sys.stderr)


@command()
def show(
    trial: Annotated[
        str, typer.Argument(metavar="RUN[/ID]", help="the winner of a run, or one of its trials", show_default=False)
    ],
    format: Form = "md",
    runs_dir: RunsDir = Flags.runs_dir,
) -> None:
    """Print one trial: configuration, curve, outcome, files, and the command that trains it again."""
    check_choice("format", format, FORMATS)
    from analysis import lookup
    from analysis.cli import show

    tell(show.show(*lookup.find_or_winner(trial, runs_dir), format))


@command()
def compare(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="two or more, paths or names", show_default=False)
    ],
    format: Form = "md",
    filter: Filter = None,
    sort: Sort = None,
    top: Top = None,
    columns: Columns = None,
    runs_dir: RunsDir = Flags.runs_dir,
) -> None:
    """Print runs side by side: same winner or not, the best by epochs spent, the settings they share."""
    check_choice("format", format, FORMATS)
    from analysis.cli import compare, selection
    from analysis.results import across_runs
    from search.run import ledger

    asked = selection.Selection(filter=filter, sort=sort, top=top, columns=columns)
    folders = list(dict.fromkeys(across_runs.find(name, runs_dir).resolve() for name in runs))
    if len(folders) < 2:
        raise UsageError("compare needs at least two different runs. See python -m analysis show for one.")
    tell(compare.show([ledger.read(folder) for folder in folders], format, asked))


@command()
def report(
    run: Annotated[str, typer.Argument(metavar="RUN", help="a path, or a name under --runs-dir", show_default=False)],
    out: Annotated[Path | None, option("folder for report.html [RUN]")] = None,
    runs_dir: RunsDir = Flags.runs_dir,
) -> None:
    """Write RUN/report.html: the results as one page without network, with a table that sorts and plots that answer."""
    from analysis.report import html_page
    from analysis.results import across_runs
    from search.run import ledger

    tell(f"{html_page.write(ledger.read(across_runs.find(run, runs_dir)), out)}\n")


@command()
def export(
    trial: Annotated[
        str, typer.Argument(metavar="RUN[/ID]", help="the winner of a run, or one of its trials", show_default=False)
    ],
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="new, empty, or an earlier export", show_default=False)
    ] = None,
    retrain: Annotated[bool, option("train on training and validation images first", "--retrain")] = False,
    ensemble: Annotated[int | None, option("score the average of the best so many, on test once; needs no DIR")] = None,
    format: Annotated[str, option("of the scores: md, csv or json")] = "md",
    dataset: Dataset = Flags.dataset,
    data_dir: DataDir = Flags.data_dir,
    runs_dir: RunsDir = Flags.runs_dir,
) -> None:
    """Write the network of a trial to a folder that needs torch and safetensors alone, with a model card."""
    check_choice("format", format, FORMATS)
    if folder is None and ensemble is None:
        raise UsageError("DIR is missing: where to write the network. Or give --ensemble K, which writes none.")
    from analysis import lookup
    from analysis.export import bundle
    from analysis.export.ensemble import members, score
    from analysis.frame import images

    run, chosen = lookup.find_or_winner(trial, runs_dir)
    if not run.identity.has_images:
        raise UsageError(
            f"nothing to export: {run.name}: its trials are trained by the user's code, which keeps what it wants to keep. "
            f"Its files, if it wrote any, are in {chosen.folder}."
        )
    if ensemble is not None:
        members(run, ensemble)  # before anything is written
    if folder is not None:
        bundle.export(run, chosen, folder, lambda: images.load(run, dataset, data_dir), again=retrain)
        tell(f"{folder}: {lookup.label(chosen)} of {run.name}\n", sys.stderr)
    if ensemble is not None:
        tell(score(run, ensemble, images.cache_of(run, dataset, data_dir), format))
        bring_up_to_date(run.folder)


def bring_up_to_date(folder: Path) -> None:
    """Write the results of a run again if its ledger has gone on since: the test split was read once more."""
    from analysis.results import files
    from search.run import ledger

    run = ledger.read(folder)
    if files.is_stale(run):
        write_if_allowed(lambda: files.write_files(run))
        tell(f"{folder / 'results.md'}: written again, because the test split was read once more\n", sys.stderr)


@command()
def predict(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="an export", show_default=False)],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="PNG or JPEG", show_default=False)],
    format: Form = "md",
) -> None:
    """Print the likeliest classes of images with their probabilities, from an exported network."""
    check_choice("format", format, FORMATS)
    from analysis.export import predict

    text, refused = predict.predict(folder, images, format)
    tell(text)
    if refused:
        raise DataError("; ".join(refused[:3]) + (f"; and {len(refused) - 3} more" if len(refused) > 3 else ""))


@command()
def suspects(
    run: Annotated[str, typer.Argument(metavar="RUN", help="a path, or a name under --runs-dir", show_default=False)],
    format: Form = "md",
    runs_dir: RunsDir = Flags.runs_dir,
) -> None:
    """List validation images that all good networks take for the same other class: probably wrong labels."""
    check_choice("format", format, FORMATS)
    from analysis.cli import suspects
    from analysis.diagnostics.suspects import find
    from analysis.frame import images
    from analysis.ranking.standing import stand
    from analysis.results import across_runs
    from search.run import ledger

    found = ledger.read(across_runs.find(run, runs_dir))
    cache = images.at_hand(found)
    if cache is None:
        tell("note: the images are not where they were, so their names are not known here\n", sys.stderr)
    names = images.val_names(cache) if cache else []
    tell(suspects.listed(find(found, stand(found)), found.identity.classes, names, format))


@command()
def verify(
    run: Annotated[str, typer.Argument(metavar="RUN", help="a path, or a name under --runs-dir", show_default=False)],
    runs_dir: RunsDir = Flags.runs_dir,
) -> None:
    """Check a whole run folder: every line, checksum and decision; the first thing that is wrong is an error."""
    from analysis.results import across_runs
    from analysis.verify.run_folder import remedy
    from analysis.verify.run_folder import verify as violations

    folder = across_runs.find(run, runs_dir)
    found = violations(folder)
    if found:
        raise RunError(f"not sound: {found[0]} ({len(found)} in all). {remedy(run, found)}")
    tell(f"{folder}: sound\n")


@command()
def watch(
    run: Annotated[str, typer.Argument(metavar="RUN", help="a path, or a name under --runs-dir", show_default=False)],
    runs_dir: RunsDir = Flags.runs_dir,
) -> None:
    """Follow a search from another terminal until it is complete; printed once where stdout is no terminal."""
    from rich.console import Console

    from analysis.cli.watch import watch as show
    from analysis.results import across_runs

    show(across_runs.find(run, runs_dir), Console())


@command()
def mirror(
    run: Annotated[str, typer.Argument(metavar="RUN", help="a path, or a name under --runs-dir", show_default=False)],
    to: Annotated[list[str], option("tensorboard, optuna, mlflow or dvc; may be given several times", "--to")],
    runs_dir: RunsDir = Flags.runs_dir,
) -> None:
    """Show a run in another tool: convert its ledger, adding what is new."""
    from analysis.mirrors import refreshing
    from analysis.results import across_runs

    refreshing.mirror(across_runs.find(run, runs_dir), to)


@command(hidden=True)
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
    code = execute(app, "python -m analysis", sys.argv[1:])
    gc.freeze()  # or the end of the process would look for garbage among what it is about to free
    sys.exit(code)
