"""The ranking of one or several runs for a terminal (a table and its explanation) or for programs (rows)."""

from collections.abc import Mapping, Sequence

import pandas as pd

from analysis.frame import dataframe, network_cost, valued
from analysis.frame.dataframe import Row
from analysis.ranking import across_runs
from analysis.ranking.standing import Standing, stand
from analysis.render import commands
from analysis.render.blocks import Blocks, Code, Foreign, Paragraph, Words, items, paragraphs, without_links
from analysis.render.markdown import plain, rendered
from analysis.results import majority, next_step
from analysis.results.rows import all_records, as_csv, as_json, records
from analysis.results.sections import answer, confirmation
from analysis.results.sections.explanation import (
    BEST_EPOCH,
    BEST_OWN_EPOCH,
    direction,
    explanation,
    few_seeds,
    over_seeds,
    stopped_words,
)
from analysis.results.sections.leaderboard import best_rows, is_confirmed, leaderboard, tally
from search.run.confirmation import is_complete
from search.run.ledger import Run
from trainables import written
from trainables.written import count, plural


def show(runs: Sequence[Run], form: str, where: Standing | None = None) -> str:
    """The ranking of all trials of one run, or of all configurations of several runs, as md, csv or json.

    Args:
        where: the standing of a single run, if it is known already.
    """
    if len(runs) == 1:
        return show_one(runs[0], form, where or stand(runs[0]))
    if form == "md":
        return as_markdown(runs)
    rows = [row for ranking in rankings_of(runs) for row in ranking]
    return as_csv(rows) if form == "csv" else as_json(rows)


def show_one(run: Run, form: str, where: Standing) -> str:
    """One run as a table of its configurations (md), below the answer of its fresh seeds if there are any.

    As csv or json: all its trials.
    """
    if form != "md":
        return as_csv(all_records(where)) if form == "csv" else as_json(all_records(where))
    if where.board.empty:
        return "No trial has been planned.\n"
    parts = described(where.board, [run], where.keys, where)
    constant = () if run.fresh_trials else constant_answer(run, where)  # the answer of fresh seeds has it already
    return text_of((*fresh_answer(run, where), *parts, *constant, *paragraphs(changed_code(run))))


def text_of(blocks: Blocks) -> str:
    """The text of blocks as a terminal shows it, without links."""
    return rendered(without_links(blocks)) + "\n"


def constant_answer(run: Run, where: Standing) -> Blocks:
    """What always answering the most common class reaches, where that matters."""
    return paragraphs(majority.sentence(run, where))


def changed_code(run: Run) -> str:
    """A sentence if several versions of the user's code trained the trials, whose values may then not be comparable."""
    told = "Several versions of the code trained these trials. Which trained which: see results.md."
    return told if answer.codes(run) else ""


def brief(run: Run, where: Standing) -> str:
    """What a terminal shows after a search: the table with the answer, and what a constant answer would reach.

    If the search is complete and no trial finished, the text also says what became of the trials and what to do. If the search is
    not complete, the code that ended the search says how to continue.
    """
    if where.board.empty:
        return "No trial has been planned.\n"
    is_over = is_complete(run)
    if not is_over and not any(trial.epochs for trial in run.trials):
        return "No trial has trained an epoch yet.\n"
    table = (
        (confirmation.board(where, f"{run.identity.repeat}s"),)
        if where.is_confirmed
        else best_table(where.board, [run], where.keys)
    )
    text = text_of((tallied(where.board, [run]), *table, *constant_answer(run, where), *paragraphs(changed_code(run))))
    if where.best is not None or not is_over:
        return text + first_failure(run)
    return f"{text}\n{next_step.came_to(run).capitalize()}. {next_step.of_run(run)}\n"


def first_failure(run: Run) -> str:
    """A line with the error of the first failed trial and the command that prints all of it; empty if no trial failed."""
    failed = [trial for trial in run.trials if trial.status == "failed"]
    if not failed:
        return ""
    outcome = failed[0].outcome or {}
    error: Words = Foreign(outcome.get("error", "")), " in ", Foreign(outcome.get("where", ""))
    command = commands.show(run, failed[0])
    told = f"{plural(len(failed), 'trial')} failed, the first with " if len(failed) > 1 else "1 trial failed with "
    return "\n" + text_of((Paragraph((told, error, ": ", Code(command))),))


def fresh_answer(run: Run, where: Standing) -> Blocks:
    """The answer that fresh seeds give, and the table of this answer; empty for a run without a confirmation."""
    if not run.fresh_trials:
        return ()
    return Paragraph(plain(answer.sentence(run, where))), *confirmation.section(run, where)


def rankings_of(runs: Sequence[Run]) -> list[list[Row]]:
    """Every configuration of several runs once, best first. Runs that cannot be compared have rankings of their own."""
    keys = ["run", "dataset", *dataframe.varied(dataframe.load(runs), runs)]
    return [records(ranked, keys) for ranked in across_runs.rank(runs)]


def as_markdown(runs: Sequence[Run]) -> str:
    """A table for each data set and objective, its meaning in words below it."""
    ranked, keys = across_runs.rank(runs), ["run", *dataframe.varied(dataframe.load(runs), runs)]
    parts = paragraphs(apart(runs) if len(ranked) > 1 else "")
    for rows in ranked:
        alike = rows["fingerprint"].iloc[0], valued.objective_of(rows)
        own = [run for run in runs if (run.identity.comparable, run.identity.objective) == alike]
        constant = {run.name: majority.sentence(run, stand(run)) for run in own}
        parts += described(rows, own, keys)
        parts += paragraphs(*(f"{name}: {words}" for name, words in constant.items() if words))
        parts += paragraphs(*(f"{run.name}: {words}" for run in own if (words := changed_code(run))))
    return text_of(parts or paragraphs("No trial has been planned."))


def apart(runs: Sequence[Run]) -> str:
    """Why there are several tables."""
    objectives = {run.identity.objective for run in runs}
    what = across_runs.trained_with(runs)
    if len(objectives) > 1:
        return f"Runs on different {what}, or ranked by different values, are ranked apart: they cannot be compared."
    values = written.several(objectives.pop())
    return f"Runs on different {what} are ranked apart: their {values} cannot be compared."


def described(rows: pd.DataFrame, runs: Sequence[Run], keys: list[str], where: Standing | None = None) -> Blocks:
    """The number of rows, the table and its explanation.

    Args:
        runs: runs with the same images and objective.
        where: the standing of a single run.
    """
    return tallied(rows, runs), *best_table(rows, runs, keys), *items(meaning(rows, runs, where))


def tallied(rows: pd.DataFrame, runs: Sequence[Run]) -> Paragraph:
    """How many rows there are of each status, and how many of them are shown."""
    number = len(best_rows(rows))
    cut = f" The best {count(number)} are shown." if number < len(rows) else ""
    noun = "configuration" if any(run.totals.seeds > 1 for run in runs) else "trial"
    return Paragraph(f"{rows['dataset'].iloc[0]}: {tally(rows, noun)}.{cut}")


def best_table(rows: pd.DataFrame, runs: Sequence[Run], keys: list[str]) -> Blocks:
    """The table of the best rows."""
    return leaderboard(best_rows(rows), keys, costs=costs_of(rows, runs))


def costs_of(rows: pd.DataFrame, runs: Sequence[Run]) -> Mapping[int, Sequence[str]]:
    """The table cells for the cost of each network; empty for several runs.

    Trials of several runs have equal places in their plans, so these places do not tell the trials apart.
    """
    return network_cost.cells(rows, best_rows(rows)) if len(runs) == 1 else {}


def meaning(rows: pd.DataFrame, runs: Sequence[Run], where: Standing | None) -> list[Words]:
    """Explain the numbers of a table."""
    words = network_cost.words(rows, costs_of(rows, runs)) if len(runs) == 1 else ""
    seeds = sorted({run.totals.seeds for run in runs})
    is_tested = rows["p_value"].notna().any() or (rows["status"] == "finished").sum() < 2
    objective = valued.objective_of(rows)
    confirmed = written.heading(objective, "confirmed")
    alike = len(seeds) == 1 and (is_tested or seeds == [1])
    fresh, moved = (where.is_confirmed, where.moved) if where else (is_confirmed(rows), None)
    images, folds = runs[0].identity.val_images, runs[0].identity.folds
    lines = (
        list(explanation(rows, images, seeds[0], words, fresh, moved, folds).values())
        if alike
        else of_other_seeds(rows, seeds, images, folds)
    )
    if is_confirmed(rows):
        lines.append(
            f"{confirmed}: the mean over fresh seeds, none of the search's, each at a best epoch chosen on the same images. The "
            "order is by the search's own values, because not every row was confirmed. The best of those are partly luck."
        )
    return lines


def of_other_seeds(rows: pd.DataFrame, seeds: Sequence[int], images: int = 0, folds: int = 0) -> list[Words]:
    """Explain the numbers of a table whose rows were not all trained on the same seeds."""
    objective = valued.objective_of(rows)
    of_each = "The interval of the best of each run also allows for its choice in that run, but not for the choice among them."
    if folds:
        return [
            over_seeds(folds, rows, images, folds, f" {of_each}"),
            "The rows were not all trained on the same seeds, so no test is made between them, and a rank is only an order. Give "
            "the runs the same --seed to have them compared.",
        ]
    of_one = ", or of one seed Wilson's, for the luck of which images were drawn" if objective.is_accuracy else ""
    on, chosen = ("", BEST_OWN_EPOCH) if objective.is_own else (" on the validation images", BEST_EPOCH)
    lines: list[Words] = [
        f"{written.heading(objective)}: {written.name(objective)}{on} at the best epoch, the mean over the "
        f"seeds where there are several{direction(objective)}. {chosen} 95 % interval: Student's over the seeds{of_one}. "
        f"{of_each} epochs: of all seeds together." + "".join(map(few_seeds, seeds)),
        "The rows were not all trained on the same seeds, so no test is made between them, and a rank is only an order. Give "
        "the runs the same --seed and --seeds to have them compared.",
    ]
    return lines + ([stopped_words(max(seeds), rows)] if "stopped" in set(rows["status"]) else [])
