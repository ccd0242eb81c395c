"""results.md: the whole text of a run, a pure function of its folder. Same ledger, same bytes."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import pandas as pd

from analysis.diagnostics.importance import mattered
from analysis.frame import dataframe, network_cost
from analysis.plots.kinds import BESIDE_BOARD, pictures, title_of
from analysis.ranking.standing import Standing, stand
from analysis.render.blocks import Blocks, Heading, Link, Notes, Paragraph, Plot, items
from analysis.render.markdown import one_line, rendered
from analysis.results.copying import MARKER, NOTES
from analysis.results.sections import answer, checks, confirmation, effects, mistakes
from analysis.results.sections.early_stopping import early_stopping
from analysis.results.sections.explanation import Notes as Meaning
from analysis.results.sections.explanation import explanation
from analysis.results.sections.failures import failures
from analysis.results.sections.leaderboard import TOP, best_rows, leaderboard, tally
from analysis.results.sections.provenance import provenance
from analysis.results.sections.test_metrics import winner_on_test
from search.run.ledger import Run
from trainables.written import count


class Page(NamedTuple):
    """The sections of a run above the leaderboard, the leaderboard, and those below. report.html has another board."""

    above: Blocks
    board: Blocks
    below: Blocks


def rank(run: Run) -> pd.DataFrame:
    """The trials of a search, best first, with their intervals and ties, without the trials on fresh seeds."""
    return stand(run).trials


def render(run: Run, standing: Standing | None = None, plots: Collection[str] | None = None) -> str:
    """The text of results.md, with links relative to the run folder.

    Args:
        standing: the standing of this run, if it is known already.
        plots: the names of the plots of this run, if they are known already.
    """
    where = standing or stand(run)
    found = page(run, where, pictures(run, where) if plots is None else plots)
    marker = f"{MARKER} {one_line(run.name).replace('>', '')} -->"
    return f"{marker}\n\n{rendered(found.above + found.board + found.below)}\n"


def page(run: Run, where: Standing, plots: Collection[str]) -> Page:
    """The sections in their order; `plots` are the names of the pictures there are."""
    importance = mattered(run, run.search_trials)
    fixed = [key for key in dataframe.config_keys([run]) if key not in where.keys]
    above = (
        *answer.title(run),
        *answer.banner(run),
        *answer.answer(run, where),
        *answer.protocol(run),
        *confirmation.section(run, where),
    )
    below = (
        *winner_on_test(run, where),
        *shown(run, "confusion", plots),
        *mistakes.section(run, where, plots),
        *checks.section(run, where, importance),
        *effects.section(run, where, importance),
        *early_stopping(run),
        *shown(run, "rungs", plots),
        *failures(run, where.trials, where.fresh),
        *(provenance(run, where.trials, fixed) if len(where.trials) else ()),
        *notes(run),
    )
    return Page(above, board(run, where, plots, list(importance.parameters) if importance else []), below)


def board(run: Run, where: Standing, plots: Collection[str], order: Sequence[str] = ()) -> Blocks:
    """The leaderboard, its explanation and its plots. Hyperparameters early in `order` get room in the table first."""
    if where.trials.empty:
        return (Heading("Leaderboard (no trials)"),)
    rows = best_rows(where.board)
    more = f"The table has the best {TOP} and the baseline. " if len(rows) < len(where.board) else ""
    return (
        Heading(f"Leaderboard ({heading(run, where)})"),
        *leaderboard(rows, where.keys, costs=network_cost.cells(where.board, rows), order=order),
        *items(meaning(run, where).values()),
        files(run, where, more),
        *shown(run, "learning_curves", plots),
        *beside_board(run, plots),
    )


def meaning(run: Run, where: Standing) -> Meaning:
    """Explain the numbers of the leaderboard."""
    images, seeds = run.identity.val_images, run.totals.seeds
    costs = network_cost.words(where.board, network_cost.cells(where.board, best_rows(where.board)))
    return explanation(where.board, images, seeds, costs, where.is_confirmed, where.moved, run.identity.folds)


def files(run: Run, where: Standing, more: str = "") -> Paragraph:
    """Name the files that have all trials with all their metrics."""
    number = len(where.trials) + len(run.fresh_trials)
    every = f"All {count(number)} trials" if number > 1 else "The trial"
    links = [Link(name, name) for name in ("results.csv", "results.json")]
    return Paragraph((f"{more}{every} with all metrics: ", links[0], ", ", links[1], "."))


def beside_board(run: Run, plots: Collection[str]) -> Blocks:
    """The plots that stand below the leaderboard."""
    return tuple(plot for name in BESIDE_BOARD for plot in shown(run, name, plots))


def shown(run: Run, name: str, plots: Collection[str]) -> Blocks:
    """The block of a plot; empty if there is no plot of this name."""
    return (Plot(name, title_of(name, run.identity.objective)),) if name in plots else ()


def heading(run: Run, where: Standing) -> str:
    """How many trials or configurations the leaderboard has, by status."""
    if run.totals.seeds == 1:
        return tally(where.board)
    return f"{tally(where.board, 'configuration')}, on {run.totals.seeds} {run.identity.repeat}s each"


def notes(run: Run) -> Blocks:
    """What the user wrote about the run, word for word."""
    path = run.folder / "notes.md"
    text = path.read_text("utf-8", errors="replace").strip("\n") if path.is_file() else ""
    return (Heading(NOTES), Notes(text)) if text else ()
