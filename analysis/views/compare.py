"""Compare several runs: their winners, the best value by epochs spent, and the settings that are equal or differ.

A configuration counts once, with the mean over its seeds. A confirmed winner counts with its value on fresh seeds.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis.diagnostics import best_of_n
from analysis.frame import dataframe, valued
from analysis.frame.dataframe import Row
from analysis.ranking import across_runs, statistics
from analysis.ranking.best import Winner, chance, winner
from analysis.render.blocks import Blocks, Bold, Foreign, Heading, Paragraph, Table, Words, items, join, paragraphs
from analysis.render.markdown import NOTHING, rendered, setting, settings
from analysis.results import next_step
from analysis.results.rows import as_csv, as_json
from analysis.results.sections.explanation import few_seeds
from analysis.views.selection import Selection, as_table, select, shares
from search.run.confirmation import is_complete
from search.run.ledger import Run, Trial
from search.status import LOST
from trainables import written
from trainables.config import canonical, key_of
from trainables.errors import RunError, UsageError
from trainables.objective import Objective
from trainables.written import count, plural

BUDGETS = 8  # lines of the table
GIVEN = ("baseline", "warm")  # sources of points that the search does not draw

Point = dict[str, Any]


def show(runs: Sequence[Run], form: str, selection: Selection) -> str:
    """The comparison as md; as json a list of runs, best first, each with its curve; as csv a line per run and budget.

    Raises:
        RunError: none of the runs has a finished trial, or the runs are ranked by different metrics.
        UsageError: two runs have the same name.
    """
    check_names(runs)
    objective = valued.shared(runs)
    budgets = budgets_of(runs)
    winners = [winner(run) for run in runs]
    rows = [row_of(run, best) for run, best in zip(runs, winners, strict=True)]
    rows = select(sorted(rows, key=lambda row: objective.place(row[objective.column])), selection)
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
    """Refuse two runs with the same name, because a line of the comparison names its run.

    Raises:
        UsageError: two runs have the same name.
    """
    names = [run.name for run in runs]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"two runs have the name {twice}. Rename the folder of one of them.")


def searched(run: Run) -> list[Trial]:
    """The trials of the search itself, in the order of the plan."""
    return [trial for trial in dataframe.planned(run) if not trial.confirms]


def row_of(run: Run, best: Winner | None) -> Row:
    """The row of one run: its winner, the number of trials and epochs, and its settings."""
    own, value = searched(run), run.identity.objective.column
    row: Row = {"id": best.trial.id if best else None, "run": run.name, "dataset": run.identity.subject}
    row |= {value: best.value if best else None}
    row |= {f"{value}_low": best.low if best else None, f"{value}_high": best.high if best else None}
    row |= {"seeds": len(best.seeds) if best else None, "confirmed": best.is_confirmed if best else None}
    row |= {"trials": len(own), "epochs": sum(len(trial.epochs) for trial in own)}
    row |= {"algorithm": run.identity.algorithm}
    row |= {"scheduler": run.identity.scheduler["name"], "seed": run.identity.seed, "complete": is_complete(run)}
    return row | {key: best.trial.config.get(key) if best else None for key in dataframe.config_keys([run])}


# What a search gave for its cost ---------------------------------------------------------------------------------------


def budgets_of(runs: Sequence[Run]) -> list[int]:
    """Numbers of epochs, each about twice the number before, up to the epochs that the costliest run spent."""
    most = max((sum(len(trial.epochs) for trial in searched(run)) for run in runs), default=0)
    return sorted({max(1, round(most / 2**step)) for step in range(BUDGETS)}) if most else []


def curve(run: Run, budgets: Sequence[int]) -> list[Point]:
    """At each budget of epochs: the best value so far in the order of the plan, and the expected best value with its band.

    The baseline and points from another run are no random draws, because every such search begins with these points. So the
    expected best is the best of these points and of as many random draws as the rest of the budget pays for.
    """
    objective, (values, costs, is_given) = run.identity.objective, draws_of(run)
    worst, most = (objective.signed(end) for end in (objective.worst, objective.ideal))
    drawn, first = values[~is_given], values[is_given].max(initial=worst)
    if not len(values):
        return []
    points = []
    for budget in budgets:
        best = best_of_n.best_so_far(values, costs, budget)
        left = budget - costs[is_given].sum()
        draws = int(left / costs[~is_given].mean()) if len(drawn) else 0
        told = None if best is None or best == worst else objective.signed(best)
        point: Point = {"epochs": budget, "best_so_far": told, "expected": None, "low": None, "high": None}
        if left >= 0 and 1 <= draws <= len(drawn):
            at_least = np.maximum(drawn, first)
            if np.isfinite(objective.bounds).all():
                band = best_of_n.band(at_least, draws, first, most)
                point["low"], point["high"] = sorted(map(objective.signed, band))
            point["expected"] = objective.signed(best_of_n.expected_best(at_least, draws))
        points.append(point | {"draws": max(0, draws)})
    return points


def draws_of(run: Run) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The trained configurations in the order of the plan; all seeds of one configuration count as one draw.

    Returns:
        For each configuration its value, signed so that larger is better; its number of epochs; and whether the configuration
        was given to the search and not drawn. An infinitely bad value is replaced by the worst finite value.
    """
    groups: dict[str, list[Trial]] = {}
    for trial in searched(run):
        if trial.epochs:
            groups.setdefault(key_of(trial.config), []).append(trial)
    values = np.array([np.mean([value_of(trial) for trial in group]) for group in groups.values()])
    costs = np.array([sum(len(trial.epochs) for trial in group) for group in groups.values()])
    given = np.array([group[0].source in GIVEN for group in groups.values()], bool)
    finite = values[np.isfinite(values)]
    if not len(finite):
        return finite, costs[:0], given[:0]
    return np.maximum(values, finite.min()), costs, given


def value_of(trial: Trial) -> float:
    """The value of a trial, signed so that larger is better; the worst possible value if the trial diverged or failed."""
    lost = trial.value is None or trial.status in LOST
    return float(trial.objective.signed(trial.objective.worst if lost else trial.value))


# In words ----------------------------------------------------------------------------------------------------------------


def as_markdown(
    runs: Sequence[Run],
    winners: Sequence[Winner | None],
    rows: list[Row],
    curves: dict[str, list[Point]],
    selection: Selection,
) -> str:
    names = join(", ", [Foreign(run.name) for run in runs])
    shown = [str(key) for key in rows[0] if key in selected(runs, rows, selection)] if rows else []
    answer = Heading(names, 1), Paragraph(verdict(runs, winners)), as_table(rows, shown, shares(runs, shown))
    spent = cost_table(runs, curves)
    costs = (
        (
            Heading(f"Best {written.title(runs[0].identity.objective)} by epochs spent"),
            *spent,
            *items(explanation(runs)),
        )
        if spent
        else ()
    )
    settings = Heading("Settings"), Paragraph(common(runs)), *different(runs)
    return rendered((*answer, *paragraphs(over_seeds(winners)), *costs, *settings)) + "\n"


def over_seeds(winners: Sequence[Winner | None]) -> str:
    """A sentence on values that are means over several seeds or fresh seeds; empty if there are none."""
    found = [best for best in winners if best is not None and (best.is_confirmed or len(best.seeds) > 1)]
    if not found:
        return ""
    confirmed = "; of a confirmed one over its fresh ones" if any(best.is_confirmed for best in found) else ""
    wide = "".join(
        few_seeds(*number) for number in sorted({(len(best.seeds), best.run.identity.folds) for best in found})
    )
    repeat = " or ".join(sorted({f"{best.run.identity.repeat}s" for best in found}))
    column = found[0].run.identity.objective.column
    return f"{column}: mean over the {repeat} of a configuration, with Student's interval{confirmed}.{wide}"


def selected(runs: Sequence[Run], rows: Sequence[Row], selection: Selection) -> set[str]:
    """The columns of the table of winners: those that the user asked for, or else the most informative ones."""
    if selection.columns is not None:
        return {name.strip() for name in selection.columns.split(",")} | {"id", "run"}
    value = runs[0].identity.objective.column
    names = {"id", "run", value, "trials", "epochs", "algorithm", "scheduler", *unlike(runs)}
    if any(row.get("confirmed") or (row.get("seeds") or 1) > 1 for row in rows):
        names |= {f"{value}_low", f"{value}_high", "seeds", "confirmed"}
    return names


def verdict(runs: Sequence[Run], winners: Sequence[Winner | None]) -> Words:
    """A sentence on whether the winners are one configuration, and otherwise on the differences between their values."""
    if len({run.identity.comparable for run in runs}) > 1:
        values = written.several(runs[0].identity.objective)
        return Bold(
            f"The runs are of different {across_runs.trained_with(runs)}, so their {values} cannot be compared."
        )
    best = [each for each in winners if each is not None]
    if len(best) < len(runs):
        missing = [Foreign(run.name) for run, each in zip(runs, winners, strict=True) if each is None]
        return Bold(("No trial of ", join(", ", missing), " has finished."))
    best.sort(key=lambda each: each.run.identity.objective.place(each.value))
    config = best[0].config
    if all(each.key == best[0].key for each in best):
        found = {key: config[key] for key in dataframe.config_keys(runs) if key in varied_in(runs) & config.keys()}
        return Bold(f"The same winner: {settings(found) or best[0].trial.id}.")
    return join(" ", [Bold("Not the same winner."), *differences(best)])


def differences(best: Sequence[Winner]) -> list[Words]:
    """Compare each winner with the first winner; the p-values are adjusted for the number of tests."""
    chances = [None if other.key == best[0].key else chance(best[0], other) for other in best[1:]]
    tested = [each for each in chances if each]
    adjusted = iter(statistics.holm(np.array([p_value for p_value, _ in tested])).tolist() if tested else [])
    results = [(float(next(adjusted)), each[1]) if each else None for each in chances]
    lines = [against(best[0], other, result) for other, result in zip(best[1:], results, strict=True)]
    adjusting = f"The p-values are adjusted by Holm for {len(tested)} tests. " if len(tested) > 1 else ""
    choice = "A test does not allow for each winner's having been chosen as the best of its run."
    return [*lines, f"{adjusting}{choice}" if tested else ""]


def against(first: Winner, other: Winner, found: tuple[float, str] | None) -> Words:
    """Compare one winner with the first winner, in words; `found` is the p-value of the difference and the test's name."""
    names = Foreign(first.run.name), Foreign(other.run.name)
    if first.key == other.key:
        return names[0], " and ", names[1], " have the same one."
    objective, far = first.run.identity.objective, first.value - other.value
    gain = names[0], f" lies {written.apart(objective, abs(far))} {written.side(objective, far)} ", names[1]
    if found is None:
        rests = f"({resting(first)}; {resting(other)})"
        return (
            *gain,
            f": not tested, because they do not rest on several {first.run.identity.repeat}s that are the same {rests}.",
        )
    p_value, how = found
    known = "within noise" if p_value > statistics.LEVEL else "more than noise"
    return *gain, f": {known} ({'p < 0.001' if p_value < 0.001 else f'p = {p_value:.3f}'}, {how})."


def resting(best: Winner) -> str:
    """The number of seeds or folds behind a winner's value, in words."""
    repeat = best.run.identity.repeat
    if best.is_confirmed:
        return plural(len(best.seeds), f"fresh {repeat}")
    return f"{plural(len(best.seeds), repeat)} of the search"


def cost_table(runs: Sequence[Run], curves: dict[str, list[Point]]) -> Blocks:
    """The table of best values by budget: a line for each budget, two columns for each run; nothing without values."""
    objective = runs[0].identity.objective
    header: tuple[Words, ...] = ("epochs",)
    for run in runs:
        header += ((Foreign(run.name), ": best so far"), "expected (95 % band)" if has_band(objective) else "expected")
    known = [curves[run.name] for run in runs if curves[run.name]]
    rows = [
        (
            count(known[0][place]["epochs"]),
            *(cell for run in runs for cell in point_cells(curves[run.name], place, objective)),
        )
        for place in range(len(known[0]) if known else 0)
    ]
    rows = [row for row in rows if set(row[1:]) != {NOTHING}]  # budgets that pay for no trial
    return (Table(header, tuple(rows), "r" * len(header)),) if rows else ()


def has_band(objective: Objective) -> bool:
    """Whether the expected best has a band: values that are shares lie between known bounds, which a band needs."""
    return written.is_percent(objective)


def point_cells(points: list[Point], place: int, objective: Objective) -> tuple[str, str]:
    if not points:
        return NOTHING, NOTHING
    point = points[place]
    best = NOTHING if point["best_so_far"] is None else written.number(objective, point["best_so_far"])
    if point.get("expected") is None:
        return best, NOTHING
    expected = written.number(objective, point["expected"])
    if point["low"] is None:
        return best, expected
    return best, f"{expected} ({written.interval(objective, point['low'], point['high'])})"


def given_words(runs: Sequence[Run]) -> str:
    """The points with which these searches begin, in words."""
    is_warm = any(trial.source == "warm" for run in runs for trial in searched(run))
    return (
        "the baseline and the points of the warm start, which come first"
        if is_warm
        else "the baseline, which comes first"
    )


def explanation(runs: Sequence[Run]) -> list[str]:
    """Remarks that explain the columns of the table of best values by budget."""
    chosen = " and ".join(sorted({run.identity.algorithm for run in runs} - {"random"}))
    objective = runs[0].identity.objective
    known = has_band(objective)
    band = (
        "the band is distribution-free and holds for all lines at once (Lourie, Choi and He 2024), for trials that are "
        "independent draws, as those of a random search are."
        if known
        else f"a band is drawn for shares only; {written.better(objective)} is better."
    )
    remarks = {
        "best so far: of the trials in the order of the plan, by the epochs that they took; after the last it stays.": True,
        f"expected: the best of {given_words(runs)}, and of as many other trials as the rest of these epochs pays for. It is the "
        f"mean over all ways to draw these trials; {band}": True,
        f"The points of {chosen} are no independent draws: the {'band' if known else 'expectation'} is no promise there.": chosen,
        "Early stopping compared trials with each other, so they are no independent draws: the "
        f"{'band' if known else 'expectation'} is no promise there.":
            any(run.identity.scheduler["name"] != "none" for run in runs),
        "All seeds or folds of a configuration are one draw: its value is their mean, its cost the epochs of all.":
            any(run.totals.seeds > 1 for run in runs),
        "A trial that was stopped early counts with what it had reached.":
            any(run.identity.scheduler["name"] != "none" for run in runs),
        f"A trial that diverged or failed counts as {'zero' if known else 'the worst value of its run'}.":
            any(trial.status in LOST for run in runs for trial in searched(run)),
    }  # fmt: skip
    return [remark for remark, holds in remarks.items() if holds]


# Settings ----------------------------------------------------------------------------------------------------------------


def varied_in(runs: Sequence[Run]) -> set[str]:
    return {key for run in runs for key in run.identity.space_params}


def setting_in(run: Run, key: str) -> str:
    """The searched range of a hyperparameter in a run, or the value in all its trials, or the number of its values."""
    if key in run.identity.space_params:
        return run.identity.space_params[key]
    values = {canonical(trial.config.get(key)) for trial in searched(run)}
    return setting(key, values.pop()) if len(values) == 1 else f"{len(values)} values"


def unlike(runs: Sequence[Run]) -> list[str]:
    """The hyperparameters that are searched in a run or do not have the same value in all runs."""
    keys = dataframe.config_keys(runs)
    return [key for key in keys if key in varied_in(runs) or len({setting_in(run, key) for run in runs}) > 1]


def common(runs: Sequence[Run]) -> Words:
    """A sentence with the hyperparameters that have the same value in all trials of all runs."""
    shared = [key for key in dataframe.config_keys(runs) if key not in unlike(runs)]
    values = join(", ", [(Foreign(key), " ", Foreign(setting_in(runs[0], key))) for key in shared])
    return ("The same in all trials: ", values, ".") if values else "No setting is the same in all trials."


def different(runs: Sequence[Run]) -> Blocks:
    """A table of the settings that differ or are searched, run by run: a range if searched, else a value."""
    facts = {key: [setting_in(run, key) for run in runs] for key in unlike(runs)}
    asked = {"epochs": [run.totals.epochs for run in runs]}
    names = ("seed", "fraction", "precision", "threads")
    asked |= {name: [getattr(run.identity, name) for run in runs] for name in names}
    asked |= {"early stopping": [run.identity.scheduler["name"] for run in runs]}
    facts |= {name: list(map(str, values)) for name, values in asked.items() if len(set(values)) > 1}
    rows = tuple(tuple(Foreign(cell) for cell in (name, *values)) for name, values in facts.items())
    header: tuple[Words, ...] = ("differs or searched", *(Foreign(run.name) for run in runs))
    return (Table(header, rows, "l" * len(header)),) if rows else ()
