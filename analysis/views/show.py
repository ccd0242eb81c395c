"""One trial, whole: configuration, curve, outcome, files, and the commands that train it again."""

import shlex
from statistics import fmean

from analysis.frame import own_code, timing
from analysis.frame.dataframe import Row, config_keys
from analysis.lookup import label
from analysis.ranking import standing
from analysis.render import commands, terminal
from analysis.render.blocks import Blocks, Code, Commands, Foreign, Heading, Words, pairs, paragraphs
from analysis.render.markdown import one_line, rendered, setting
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
    """The row of a trial among all of its run, and how many ranks there are: all seeds of a configuration share one.

    A trial without part in the ranking has its facts and no rank.
    """
    ranked = page.rank(run)
    rows = records(ranked, config_keys([run]))
    own = [row for row in rows if row["index"] == trial.index]
    facts: Row = {"id": trial.id, "rank": None, "status": trial.status, "index": trial.index, "source": trial.source}
    return (own[0] if own else facts), len({row["rank"] for row in rows})


def head(run: Run, trial: Trial, row: Row, ranks: int) -> Blocks:
    """Name, outcome and value."""
    noun = "trial" if run.totals.seeds == 1 else "configuration"
    place = f", rank {row['rank']} of {plural(ranks, noun)}" if row["rank"] else ""
    title = label(trial), " of ", Foreign(run.name), f": {worded(trial.status)}{place}"
    time = timing.clock(trial)
    told = ("Clock: ", Foreign(timing.sentence(time)), ".") if time else ""
    words = value(trial, row), confirmed(run, trial), told, called(trial), outcome(trial)
    return Heading(title, 1), *paragraphs(*words)


def value(trial: Trial, row: Row) -> Words:
    """The value of its best epoch."""
    best, objective = trial.best, trial.objective
    if not best or trial.status in LOST:
        return ""
    reached = f"{written.value(objective, best[objective.column])} {written.title(objective)}"
    return (
        f"{reached} at epoch {best['epoch']}{bounds(trial, row)}; {len(trial.epochs)} of "
        f"{trial.config['epochs']} epochs trained; {on_fold(trial)}seed {trial.seed}, source ", Foreign(trial.source), ".",
    )  # fmt: skip


def on_fold(trial: Trial) -> str:
    """Which fold was held out, if there are folds."""
    return f"validated on fold {trial.fold}, " if trial.fold else ""


def confirmed(run: Run, trial: Trial) -> str:
    """What fresh seeds made of its configuration."""
    fresh = standing.confirmed_values(run, trial)
    if not fresh:
        return ""
    spread, mean = (
        written.interval(trial.objective, min(fresh), max(fresh)),
        written.value(trial.objective, fmean(fresh)),
    )
    return f"Confirmed: {mean}, mean of {plural(len(fresh), f'fresh {run.identity.repeat}')} (from {spread})."


def bounds(trial: Trial, row: Row) -> str:
    """The interval around its value, if it has one."""
    objective = trial.objective
    low, high = (row.get(f"{objective.column}_{end}") for end in ("low", "high"))
    if low is None or high is None:
        return ""
    return f" (95 % interval {written.interval(objective, low, high)}{written.unit(objective)})"


def called(trial: Trial) -> Words:
    """Why an engine could not train it as graphs, which takes longer and changes no number."""
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
        *pairs(("parameter", "value"), {key: setting(key, value) for key, value in trial.config.items()}),
        *((folder, *there, *state(run, trial)) if there else ()),
        Heading("Train it again"),
        Commands((reproduce(run, trial), *([commands.train_again(run, trial)] if run.identity.has_images else []))),
    )


def state(run: Run, trial: Trial) -> Blocks:
    """How the state that a user's loop left is read; nothing of our networks, which `export` writes."""
    found = None if run.identity.has_images else own_code.state(trial)
    return paragraphs((f"{found[0]}: ", Code(found[1]), ".")) if found else ()


def files(trial: Trial) -> list[tuple[str, int]]:
    """Names and sizes of what lies in the folder of a trial."""
    if not trial.folder.is_dir():
        return []
    return [(path.name, path.stat().st_size) for path in sorted(trial.folder.glob("[!.]*")) if path.is_file()]


def reproduce(run: Run, trial: Trial) -> str:
    """Trains it again and compares; a folder of images is named where this machine does not know its place."""
    command = commands.reproduce(run, trial, commands.shortest(run.folder))
    if not run.identity.has_images:
        return command
    name = commands.dataset(run)
    is_known = ELSEWHERE not in name or "dataset" in local.known(run.folder)
    return command if is_known else f"{command} {shlex.join(['--dataset', one_line(name)])}"
