"""Everything about one trial: configuration, curve, outcome, files, and the commands that train the trial again."""

import shlex
from statistics import fmean
from typing import Any

from analysis.frame import own_code, timing
from analysis.frame.dataframe import Row, config_keys
from analysis.ranking import standing
from analysis.render import commands, terminal
from analysis.render.blocks import Blocks, Code, Commands, Foreign, Heading, Words, pairs, paragraphs
from analysis.render.markdown import NOTHING, cut, one_line, rendered
from analysis.results import page
from analysis.results.rows import as_csv, as_json, records
from analysis.results.sections.leaderboard import worded
from search.run import local
from search.run.ledger import Run, Trial
from search.status import LOST
from trainables import written
from trainables.data.names import ELSEWHERE
from trainables.trial import timing as seconds
from trainables.written import count, plural


def show(run: Run, trial: Trial, form: str) -> str:
    """The trial as md, as csv (a line per epoch) or as json (a list of one row with its `curve`)."""
    if form == "csv":
        return as_csv([dict([("id", trial.id), *row.items()]) for row in trial.epochs])
    row, ranks = placed(run, trial)
    if form == "json":
        facts: Row = {"config": trial.config, "outcome": trial.outcome, "stopped_at": trial.stopped_at}
        facts |= {
            "called": seconds.called(trial.folder),
            "files": [name for name, _ in files(trial)],
            "reproduce": reproduce(run, trial),
            "curve": trial.epochs,
        }
        return as_json([row | facts])
    return rendered((*head(run, trial, row, ranks), *parts(run, trial))) + "\n"


def placed(run: Run, trial: Trial) -> tuple[Row, int]:
    """The row of a trial in the ranking of its run, and the number of ranks; all seeds of a configuration share one rank.

    For a trial that is not ranked, the row has a few facts and no rank.
    """
    ranked = page.rank(run)
    rows = records(ranked, config_keys([run]))
    own = [row for row in rows if row["index"] == trial.index]
    facts: Row = {"id": trial.id, "rank": None, "status": trial.status, "index": trial.index, "source": trial.source}
    return (own[0] if own else facts), len({row["rank"] for row in rows})


def head(run: Run, trial: Trial, row: Row, ranks: int) -> Blocks:
    """The heading of a trial with rank and status, and sentences on its value, clock and outcome."""
    noun = "trial" if run.totals.seeds == 1 else "configuration"
    is_ranked = (
        row["rank"] and trial.best and trial.status not in LOST
    )  # others have no number in the leaderboard either
    place = f", rank {row['rank']} of {plural(ranks, noun)}" if is_ranked else ""
    title = trial.label, " of ", Foreign(run.name), f": {worded(trial.status)}{place}"
    time = timing.clock(trial)
    told = ("Clock: ", Foreign(timing.sentence(time)), ".") if time else ""
    words = value(trial, row), on_seeds(run, trial), confirmed(run, trial), told, called(trial), outcome(trial)
    return Heading(title, 1), *paragraphs(*words)


def value(trial: Trial, row: Row) -> Words:
    """A sentence with the value of the trial's best epoch; empty if the trial has none, diverged or failed."""
    best, objective = trial.best, trial.objective
    if not best or trial.status in LOST:
        return ""
    reached = f"{written.value(objective, best[objective.column])} {written.title(objective)}"
    return (
        f"{reached} at epoch {best['epoch']}{bounds(trial, row)}; {len(trial.epochs)} of "
        f"{trial.config['epochs']} epochs trained; {on_fold(trial)}seed {trial.seed}, source ", Foreign(trial.source), ".",
    )  # fmt: skip


def on_fold(trial: Trial) -> str:
    """The fold on which the trial was validated, in words; empty without folds."""
    return f"validated on fold {trial.fold}, " if trial.fold else ""


def on_seeds(run: Run, trial: Trial) -> str:
    """A sentence with the values of the trial's configuration on all its seeds or folds; empty for a search on one seed."""
    values = [other.value for other in standing.repetitions(run, trial) if other.value is not None]
    if not values:
        return ""
    spread = written.interval(trial.objective, min(values), max(values))
    mean = written.value(trial.objective, fmean(values))
    return f"Its configuration: {mean}, mean of {plural(len(values), run.identity.repeat)} (from {spread})."


def confirmed(run: Run, trial: Trial) -> str:
    """A sentence with the values of the trial's configuration on fresh seeds; empty if there are none."""
    fresh = standing.confirmed_values(run, trial)
    if not fresh:
        return ""
    spread, mean = (
        written.interval(trial.objective, min(fresh), max(fresh)),
        written.value(trial.objective, fmean(fresh)),
    )
    return f"Confirmed: {mean}, mean of {plural(len(fresh), f'fresh {run.identity.repeat}')} (from {spread})."


def bounds(trial: Trial, row: Row) -> str:
    """The confidence interval of the trial's value in words; empty if there is none."""
    objective = trial.objective
    low, high = (row.get(f"{objective.column}_{end}") for end in ("low", "high"))
    if low is None or high is None:
        return ""
    return f" (95 % interval {written.interval(objective, low, high)}{written.unit(objective)})"


def called(trial: Trial) -> Words:
    """A sentence on why the trial's steps were not replayed as graphs; empty if they were or nothing is recorded.

    Training without graphs takes longer and changes no number.
    """
    found = seconds.called(trial.folder)
    return (
        ("Its steps were called one by one, not replayed as graphs: ", Foreign("; ".join(found)), ".") if found else ""
    )


def outcome(trial: Trial) -> Words:
    """A sentence about a trial's end; empty for a finished or running trial."""
    found = trial.outcome or {}
    if trial.status == "failed":
        return "Failed: ", Foreign(found.get("error", "")), " in ", Foreign(found.get("where", "")), "; see error.txt."
    if trial.status == "diverged":
        return "The loss was no longer a finite number in epoch ", Foreign(found.get("epoch")), "."
    return f"Stopped early by the scheduler after epoch {trial.stopped_at}." if trial.status == "stopped" else ""


def parts(run: Run, trial: Trial) -> Blocks:
    """Curve, configuration, files and commands."""
    points = [written.plotted(trial.objective, value) for value in trial.values]
    curve = terminal.plot(points) if len(points) > 1 else ""
    there = pairs(("file", "bytes"), {name: count(size) for name, size in files(trial)}, "lr")
    folder = Heading(("Files in ", Foreign(trial.folder, 1000)))
    return (
        *(
            (
                Heading(f"{written.axis(trial.objective).capitalize()} by epoch"),
                Commands(tuple(curve.split("\n")), "text"),
            )
            if curve
            else ()
        ),
        Heading("Configuration"),
        *pairs(("parameter", "value"), {key: exact(value) for key, value in trial.config.items()}),
        *((folder, *there, *state(run, trial)) if there else ()),
        Heading("Train it again"),
        Commands((reproduce(run, trial), *([commands.train_again(run, trial)] if run.identity.has_images else []))),
    )


def exact(value: Any) -> str:
    """The value of a hyperparameter with all its digits, so that it can be used elsewhere."""
    return NOTHING if value is None else repr(value) if isinstance(value, float) else cut(value)


def state(run: Run, trial: Trial) -> Blocks:
    """A line of code that reads the state which a user's own training left; empty for networks on images.

    A network on images is written by `export` instead.
    """
    found = None if run.identity.has_images else own_code.state(trial)
    return paragraphs((f"{found[0]}: ", Code(found[1]), ".")) if found else ()


def files(trial: Trial) -> list[tuple[str, int]]:
    """Names and sizes in bytes of the files in a trial's folder, without hidden files."""
    if not trial.folder.is_dir():
        return []
    return [(path.name, path.stat().st_size) for path in sorted(trial.folder.glob("[!.]*")) if path.is_file()]


def reproduce(run: Run, trial: Trial) -> str:
    """The command that trains the trial again and compares; it names the images if this machine does not know their folder."""
    command = commands.reproduce(run, trial, commands.shortest(run.folder))
    if not run.identity.has_images:
        return command
    name = commands.dataset(run)
    is_known = ELSEWHERE not in name or "dataset" in local.known(run.folder)
    return command if is_known else f"{command} {shlex.join(['--dataset', one_line(name)])}"
