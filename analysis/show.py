"""One trial, whole: configuration, curve, outcome, files, and the commands that train it again."""

import shlex
from statistics import fmean

from analysis import clock, commands, results, standing, terminal_plot
from analysis.frame import Row, config_keys
from analysis.leaderboard import as_csv, as_json, records, worded
from analysis.markdown import count, escape, fence, one_line, plural, setting, table
from analysis.trials import label
from search import local
from search.ledger import Run, Trial
from search.status import LOST
from trainables import written
from trainables.named import FOLDER


def show(run: Run, trial: Trial, form: str) -> str:
    """The trial as md, as csv (a line per epoch) or as json (a list of one row with its `curve`)."""
    if form == "csv":
        return as_csv([dict([("id", trial.id), *row.items()]) for row in trial.epochs])
    row, ranks = placed(run, trial)
    if form == "json":
        facts: Row = {"config": trial.config, "outcome": trial.outcome, "stopped_at": trial.stopped_at}
        facts |= {
            "files": [name for name, _ in files(trial)],
            "reproduce": reproduce(run, trial),
            "curve": trial.epochs,
        }
        return as_json([row | facts])
    return "\n\n".join(filter(None, [head(run, trial, row, ranks), *parts(run, trial)])) + "\n"


def placed(run: Run, trial: Trial) -> tuple[Row, int]:
    """The row of a trial among all of its run, and how many ranks there are: all seeds of a configuration share one.

    A trial without part in the ranking has its facts and no rank.
    """
    ranked = results.rank(run)
    rows = records(ranked, config_keys([run]))
    own = [row for row in rows if row["index"] == trial.index]
    facts: Row = {"id": trial.id, "rank": None, "status": trial.status, "index": trial.index, "source": trial.source}
    return (own[0] if own else facts), len({row["rank"] for row in rows})


def head(run: Run, trial: Trial, row: Row, ranks: int) -> str:
    """Name, outcome and value."""
    noun = "trial" if run.totals.seeds == 1 else "configuration"
    place = f", rank {row['rank']} of {plural(ranks, noun)}" if row["rank"] else ""
    lines = [f"# {escape(label(trial))} of {escape(run.name)}: {worded(trial.status)}{place}"]
    best, objective = trial.best, trial.objective
    if best and trial.status not in LOST:
        value = f"{written.value(objective, best[objective.column])} {written.title(objective)}"
        lines.append(
            f"{value} at epoch {best['epoch']}{bounds(trial, row)}; "
            f"{len(trial.epochs)} of {trial.config['epochs']} epochs trained; "
            f"seed {trial.seed}, from {escape(trial.source)}."
        )
    fresh = standing.confirmed_values(run, trial)
    if fresh:
        spread = written.interval(objective, min(fresh), max(fresh))
        mean = written.value(objective, fmean(fresh))
        lines.append(f"Confirmed: {mean}, mean of {plural(len(fresh), 'fresh seed')} ({spread}).")
    time = clock.clock(trial)
    lines += [f"Clock: {escape(clock.sentence(time))}."] if time else []
    return "\n\n".join([*lines, *outcome(trial)])


def bounds(trial: Trial, row: Row) -> str:
    """The interval around its value, if it has one."""
    objective = trial.objective
    low, high = (row.get(f"{objective.column}_{end}") for end in ("low", "high"))
    if low is None or high is None:
        return ""
    return f" (95 % interval {written.interval(objective, low, high)}{written.unit(objective)})"


def outcome(trial: Trial) -> list[str]:
    """What ended it, where that needs a sentence."""
    found = trial.outcome or {}
    if trial.status == "failed":
        return [f"Failed: {escape(found.get('error', ''))} in {escape(found.get('where', ''))}; see error.txt."]
    if trial.status == "diverged":
        return [f"The loss was no longer a finite number in epoch {escape(found.get('epoch'))}."]
    if trial.status == "stopped":
        return [f"Stopped early by the scheduler after epoch {trial.stopped_at}."]
    return []


def parts(run: Run, trial: Trial) -> list[str]:
    """Curve, configuration, files and commands."""
    curve = terminal_plot.plot([written.plotted(trial.objective, value) for value in trial.values])
    rows = [[escape(key), escape(setting(key, value))] for key, value in trial.config.items()]
    there = [[escape(name), count(size)] for name, size in files(trial)]
    folder = escape(one_line(trial.folder), 1000)
    return [
        f"## {written.axis(trial.objective).capitalize()} by epoch\n\n```text\n{curve}\n```" if curve else "",
        f"## Configuration\n\n{table(['parameter', 'value'], rows, 'll')}",
        f"## Files in {folder}\n\n{table(['file', 'bytes'], there, 'lr')}" if there else "",
        f"## Train it again\n\n{fence(reproduce(run, trial), commands.train_again(run, trial))}",
    ]


def files(trial: Trial) -> list[tuple[str, int]]:
    """Names and sizes of what lies in the folder of a trial."""
    if not trial.folder.is_dir():
        return []
    return [(path.name, path.stat().st_size) for path in sorted(trial.folder.glob("[!.]*")) if path.is_file()]


def reproduce(run: Run, trial: Trial) -> str:
    """Trains it again and compares; a folder of images is named where this machine does not know its place."""
    command, name = commands.reproduce(run, trial, commands.shortest(run.folder)), commands.dataset(run)
    is_known = not name.startswith(FOLDER) or "dataset" in local.known(run.folder)
    return command if is_known else f"{command} {shlex.join(['--dataset', one_line(name)])}"
