"""Several runs side by side: their winners, what each gave for its epochs, and which settings they share.

A configuration counts once, with the mean over its seeds; a winner that was confirmed counts with what fresh seeds gave.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis import frame, next_step, statistics, tuning_curve
from analysis.best import Winner, chance, winner
from analysis.frame import Row
from analysis.leaderboard import as_csv, as_json, few_seeds
from analysis.markdown import NOTHING, count, escape, inline, interval, percent, plural, setting, settings, table
from analysis.selection import Selection, as_table, select
from analysis.standing import CONFIRM
from search.confirmation import is_complete
from search.ledger import Run, Trial
from search.status import LOST
from trainables.config import canonical, key_of
from trainables.errors import RunError, UsageError
from trainables.objective import place

BUDGETS = 8  # lines of the table
GIVEN = ("baseline", "warm")  # where points come from that a search does not draw

Point = dict[str, Any]


def show(runs: Sequence[Run], form: str, selection: Selection) -> str:
    """The comparison as md; as json a list of runs, best first, each with its curve; as csv a line per run and budget.

    Raises:
        RunError: none of the runs has a finished trial.
        UsageError: two of them have the same name.
    """
    check_names(runs)
    budgets = budgets_of(runs)
    winners = [winner(run) for run in runs]
    rows = [row_of(run, best) for run, best in zip(runs, winners, strict=True)]
    rows = select(sorted(rows, key=lambda row: place(row["val_accuracy"])), selection)
    curves = {run.name: curve(run, budgets) for run in runs}
    if all(row.get("id") is None for row in rows) and selection.is_everything:
        came = "; ".join(f"{run.name}: {next_step.came_to(run)}" for run in runs)
        raise RunError(f"nothing to compare: {came}. {next_step.of_run(runs[0])}")
    if form == "md":
        return as_markdown(runs, winners, rows, curves, selection)
    if form == "json":
        return as_json([row | {"curve": curves[row["run"]]} for row in rows])
    lines: list[Row] = [
        dict([("id", row.get("id")), ("run", row["run"]), *point.items()])
        for row in rows
        for point in curves[row["run"]]
    ]
    return as_csv(lines)


def check_names(runs: Sequence[Run]) -> None:
    """Every line says by its name which run it is of."""
    names = [run.name for run in runs]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(
            f"two runs are called {twice}, so nobody could tell them apart. Rename the folder of one of them."
        )


def searched(run: Run) -> list[Trial]:
    """The trials of the search itself, in the order of the plan."""
    return [trial for trial in frame.planned(run) if trial.source != CONFIRM]


def row_of(run: Run, best: Winner | None) -> Row:
    """One run: its winner and what it cost."""
    own = searched(run)
    row: Row = {"id": best.trial.id if best else None, "run": run.name, "dataset": run.identity.dataset_title}
    row |= {"val_accuracy": best.value if best else None}
    row |= {"val_accuracy_low": best.low if best else None, "val_accuracy_high": best.high if best else None}
    row |= {"seeds": len(best.seeds) if best else None, "confirmed": best.is_confirmed if best else None}
    row |= {"trials": len(own), "epochs": sum(len(trial.epochs) for trial in own)}
    row |= {"algorithm": run.identity.algorithm}
    row |= {"scheduler": run.identity.scheduler["name"], "seed": run.identity.seed, "complete": is_complete(run)}
    return row | {key: best.trial.config.get(key) if best else None for key in frame.config_keys([run])}


# What a search gave for its cost ---------------------------------------------------------------------------------------


def budgets_of(runs: Sequence[Run]) -> list[int]:
    """Round numbers of epochs up to what the costliest run spent, each about twice the one before."""
    most = max((sum(len(trial.epochs) for trial in searched(run)) for run in runs), default=0)
    return sorted({max(1, round(most / 2**step)) for step in range(BUDGETS)}) if most else []


def curve(run: Run, budgets: Sequence[int]) -> list[Point]:
    """At each budget of epochs: the best so far in the order of the plan, and the expected best with its band.

    The baseline, and points taken over from another run, are no random draws: every such search begins with them. So the
    expected best is that of these and of as many random draws as the rest of the budget pays for.
    """
    values, costs, is_given = draws_of(run)
    drawn, first = values[~is_given], values[is_given].max(initial=0.0)
    if not len(values):
        return []
    points = []
    for budget in budgets:
        best = tuning_curve.best_so_far(values, costs, budget)
        left = budget - costs[is_given].sum()
        draws = int(left / costs[~is_given].mean()) if len(drawn) else 0
        point: Point = {"epochs": budget, "best_so_far": best or None, "expected": None, "low": None, "high": None}
        if left >= 0 and 1 <= draws <= len(drawn):
            at_least = np.maximum(drawn, first)
            point["low"], point["high"] = tuning_curve.band(at_least, draws, first)
            point["expected"] = tuning_curve.expected_best(at_least, draws)
        points.append(point | {"draws": max(0, draws)})
    return points


def draws_of(run: Run) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The configurations that were trained, in the order of the plan: all seeds of one are one draw.

    The value of each, its epochs, and whether it was given to the search instead of drawn by it.
    """
    groups: dict[str, list[Trial]] = {}
    for trial in searched(run):
        if trial.epochs:
            groups.setdefault(key_of(trial.config), []).append(trial)
    values = [np.mean([value_of(trial) for trial in group]) for group in groups.values()]
    costs = [sum(len(trial.epochs) for trial in group) for group in groups.values()]
    given = [group[0].source in GIVEN for group in groups.values()]
    return np.array(values), np.array(costs), np.array(given, bool)


def value_of(trial: Trial) -> float:
    """What it reached; nothing if it diverged or failed."""
    return 0.0 if trial.value is None or trial.status in LOST else trial.value


# In words ----------------------------------------------------------------------------------------------------------------


def as_markdown(
    runs: Sequence[Run],
    winners: Sequence[Winner | None],
    rows: list[Row],
    curves: dict[str, list[Point]],
    selection: Selection,
) -> str:
    names = ", ".join(escape(run.name) for run in runs)
    shown = [key for key in rows[0] if key in selected(runs, rows, selection)] if rows else []
    parts = [f"# {names}", verdict(runs, winners), as_table(rows, [str(key) for key in shown]).rstrip("\n")]
    parts += filter(None, [over_seeds(winners)])
    budgets = cost_table(runs, curves)
    if budgets:
        parts += ["## Best validation accuracy by epochs spent", budgets, explanation(runs)]
    return "\n\n".join([*parts, "## Settings", common(runs), different(runs)]).rstrip("\n") + "\n"


def over_seeds(winners: Sequence[Winner | None]) -> str:
    """What a value is that rests on several seeds, or on fresh ones."""
    found = [best for best in winners if best is not None and (best.is_confirmed or len(best.seeds) > 1)]
    if not found:
        return ""
    confirmed = "; of a confirmed one over its fresh seeds" if any(best.is_confirmed for best in found) else ""
    wide = "".join(few_seeds(number) for number in sorted({len(best.seeds) for best in found}))
    return f"val_accuracy: mean over the seeds of a configuration, with Student's interval{confirmed}.{wide}"


def selected(runs: Sequence[Run], rows: Sequence[Row], selection: Selection) -> set[str]:
    """The columns of the table of winners: what was asked for, or what says most."""
    if selection.columns is not None:
        return {name.strip() for name in selection.columns.split(",")} | {"id", "run"}
    names = {"id", "run", "val_accuracy", "trials", "epochs", "algorithm", "scheduler", *unlike(runs)}
    if any(row.get("confirmed") or (row.get("seeds") or 1) > 1 for row in rows):
        names |= {"val_accuracy_low", "val_accuracy_high", "seeds", "confirmed"}
    return names


def verdict(runs: Sequence[Run], winners: Sequence[Winner | None]) -> str:
    """Whether the winners are one configuration, and if not, whether they can be told apart."""
    if len({run.identity.fingerprint for run in runs}) > 1:
        return "**The runs are of different images, so their accuracies cannot be compared.**"
    best = [each for each in winners if each is not None]
    if len(best) < len(runs):
        missing = ", ".join(escape(run.name) for run, each in zip(runs, winners, strict=True) if each is None)
        return f"**No trial of {missing} has finished.**"
    best.sort(key=lambda each: place(each.value))
    config = best[0].config
    if all(each.config == config for each in best):
        found = {key: config[key] for key in frame.config_keys(runs) if key in varied_in(runs) & config.keys()}
        return f"**The same winner: {inline(settings(found) or best[0].trial.id)}.**"
    chances = [None if other.config == config else chance(best[0], other) for other in best[1:]]
    tested = [each for each in chances if each]
    adjusted = iter(statistics.holm(np.array([p_value for p_value, _ in tested])).tolist() if tested else [])
    results = [(float(next(adjusted)), each[1]) if each else None for each in chances]
    lines = [against(best[0], other, result) for other, result in zip(best[1:], results, strict=True)]
    family = f", adjusted by Holm for {len(tested)} tests" if len(tested) > 1 else ""
    caveat = f" Each is the best of its run, which the test does not know{family}." if tested else ""
    return "**Not the same winner.** " + " ".join(lines) + caveat


def against(first: Winner, other: Winner, found: tuple[float, str] | None) -> str:
    """One winner against the first one; `found` is the p-value of the difference and how it was found."""
    names = escape(first.run.name), escape(other.run.name)
    if first.config == other.config:
        return f"{names[0]} and {names[1]} have the same one."
    points = 100 * (first.value - other.value)
    gain = f"{names[0]} lies {abs(points):.2f} points {'below' if points < 0 else 'above'} {names[1]}"
    if found is None:
        return (
            f"{gain}: not tested, because they do not rest on several seeds that are the same ({resting(first)}; "
            f"{resting(other)})."
        )
    p_value, how = found
    known = "within noise" if p_value > statistics.LEVEL else "more than noise"
    return f"{gain}: {known} ({'p < 0.001' if p_value < 0.001 else f'p = {p_value:.3f}'}, {how})."


def resting(best: Winner) -> str:
    """On what a value rests."""
    return (
        plural(len(best.seeds), "fresh seed")
        if best.is_confirmed
        else f"{plural(len(best.seeds), 'seed')} of the search"
    )


def cost_table(runs: Sequence[Run], curves: dict[str, list[Point]]) -> str:
    """A line for each budget; two columns for each run."""
    header = ["epochs"] + [
        part for run in runs for part in (f"{escape(run.name)}: best so far", "expected (95 % band)")
    ]
    known = [curves[run.name] for run in runs if curves[run.name]]
    rows = [
        [count(known[0][place]["epochs"])] + [cell for run in runs for cell in point_cells(curves[run.name], place)]
        for place in range(len(known[0]) if known else 0)
    ]
    rows = [row for row in rows if set(row[1:]) != {NOTHING}]  # budgets that pay for no trial
    return table(header, rows, "r" * len(header)) if rows else ""


def point_cells(points: list[Point], place: int) -> tuple[str, str]:
    if not points:
        return NOTHING, NOTHING
    point = points[place]
    best = NOTHING if point["best_so_far"] is None else percent(point["best_so_far"])
    if not point["expected"]:
        return best, NOTHING
    return best, f"{percent(point['expected'])} ({interval(point['low'], point['high'])})"


def given_words(runs: Sequence[Run]) -> str:
    """The points that these searches begin with."""
    is_warm = any(trial.source == "warm" for run in runs for trial in searched(run))
    return (
        "the baseline and the points of the warm start, which come first"
        if is_warm
        else "the baseline, which comes first"
    )


def explanation(runs: Sequence[Run]) -> str:
    """What the columns are, and what they are not."""
    lines = [
        "- best so far: of the trials in the order of the plan, by the epochs that they took; after the last it stays.",
        f"- expected: the best of {given_words(runs)}, and of as many other trials as the rest of these epochs pays for, in the "
        "mean over all ways to draw them; the band is distribution-free and holds for all lines at once (Lourie, Choi and He "
        "2024), for trials that are independent draws, as those of a random search are.",
    ]
    if chosen := sorted({run.identity.algorithm for run in runs} - {"random"}):
        lines.append(
            f"- The points of {' and '.join(map(escape, chosen))} are no independent draws: the band is no promise there."
        )
    if any(run.totals.seeds > 1 for run in runs):
        lines.append(
            "- All seeds of a configuration are one draw: its value is their mean, its cost the epochs of all."
        )
    if any(run.identity.scheduler["name"] != "none" for run in runs):
        lines.append("- A trial that was stopped early counts with what it had reached.")
    if any(trial.status in LOST for run in runs for trial in searched(run)):
        lines.append("- A trial that diverged or failed counts as nothing.")
    return "\n".join(lines)


# Settings ----------------------------------------------------------------------------------------------------------------


def varied_in(runs: Sequence[Run]) -> set[str]:
    return {key for run in runs for key in run.identity.space_params}


def setting_in(run: Run, key: str) -> str:
    """The range that is searched, or the value that all trials have."""
    if key in run.identity.space_params:
        return escape(run.identity.space_params[key])
    values = {canonical(trial.config.get(key)) for trial in searched(run)}
    return escape(setting(key, values.pop())) if len(values) == 1 else f"{len(values)} values"


def unlike(runs: Sequence[Run]) -> list[str]:
    """The hyperparameters that are not one and the same value in all trials of all runs."""
    keys = frame.config_keys(runs)
    return [key for key in keys if key in varied_in(runs) or len({setting_in(run, key) for run in runs}) > 1]


def common(runs: Sequence[Run]) -> str:
    """The values that all trials of all runs share."""
    shared = [key for key in frame.config_keys(runs) if key not in unlike(runs)]
    values = ", ".join(f"{escape(key)} {setting_in(runs[0], key)}" for key in shared)
    return f"The same in all trials: {values}." if values else "No setting is the same in all trials."


def different(runs: Sequence[Run]) -> str:
    """The others, run by run: a range where it was searched, a value where it was not."""
    facts = {"epochs": [str(run.totals.epochs) for run in runs]}
    facts |= {
        name: [escape(getattr(run.identity, name)) for run in runs]
        for name in ("seed", "fraction", "precision", "threads")
    }
    facts |= {"early stopping": [escape(run.identity.scheduler["name"]) for run in runs]}
    rows = [[escape(key), *(setting_in(run, key) for run in runs)] for key in unlike(runs)]
    rows += [[name, *values] for name, values in facts.items() if len(set(values)) > 1]
    header = ["differs or searched", *(escape(run.name) for run in runs)]
    return table(header, rows, "l" * len(header)) if rows else ""
