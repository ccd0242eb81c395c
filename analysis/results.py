"""results.md: the whole text of a run, a pure function of its folder. Same ledger, same bytes."""

from collections.abc import Collection, Sequence

import pandas as pd

from analysis import answer, checks, confirmation, cost, effects, frame
from analysis.copying import MARKER, NOTES
from analysis.failures import failures
from analysis.importance import mattered
from analysis.leaderboard import TOP, best_rows, explanation, leaderboard, tally
from analysis.markdown import count, one_line
from analysis.pictures import ELSEWHERE, TITLES, pictures
from analysis.provenance import provenance
from analysis.standing import CONFIRM, Standing, fresh_trials, stand
from analysis.stopping import early_stopping
from analysis.winner import winner_on_test
from search.ledger import Run

CURVES = "plots/learning_curves.svg"


def rank(run: Run) -> pd.DataFrame:
    """The trials of a search, best first, with their intervals and ties; without those that confirm."""
    return stand(run).trials


def render(run: Run, standing: Standing | None = None, plots: Collection[str] | None = None) -> str:
    """The text of results.md, with links relative to the run folder.

    Args:
        standing: of this run, if it is known already.
        plots: the names of its pictures, likewise.
    """
    where = standing or stand(run)
    names = pictures(run, where) if plots is None else plots
    importance = mattered(run, [trial for trial in run.trials if trial.source != CONFIRM])
    fixed = [key for key in frame.config_keys([run]) if key not in where.keys]
    sections = [
        f"{MARKER} {one_line(run.name).replace('>', '')} -->",
        answer.title(run),
        answer.banner(run),
        answer.answer(run, where),
        answer.protocol(run),
        confirmation.section(run, where),
        board(run, where, names, list(importance.parameters) if importance else []),
        winner_on_test(run, where),
        shown("confusion") if "confusion" in names else "",
        checks.section(run, where, importance),
        effects.section(run, where, importance),
        early_stopping(run),
        shown("rungs") if "rungs" in names else "",
        failures(run, where.trials),
        provenance(run, where.trials, fixed) if len(where.trials) else "",
        notes(run),
    ]
    return "\n\n".join(filter(None, sections)) + "\n"


def board(run: Run, where: Standing, names: Collection[str], order: Sequence[str] = ()) -> str:
    """The leaderboard with its explanation, and the curves; hyperparameters in this order if there is no room for all."""
    if where.trials.empty:
        return "## Leaderboard (no trials)"
    rows = best_rows(where.board)
    more = f"The table has the best {TOP} and the baseline. " if len(rows) < len(where.board) else ""
    number = len(where.trials) + len(fresh_trials(run))
    every = f"All {count(number)} trials" if number > 1 else "The trial"
    files = f"{more}{every} with all metrics: [results.csv](results.csv), [results.json](results.json)."
    curves = f"![Validation accuracy by epoch]({CURVES})" if where.trials["epochs"].any() else ""
    costs = cost.cells(where.board, rows)
    images, seeds = run.identity.sizes["val"], run.totals.seeds
    lines = explanation(where.board, images, seeds, cost.words(where.board, costs), where.is_confirmed, where.moved)
    words = "\n".join(f"- {line}" for line in lines)
    ranking = leaderboard(rows, where.keys, costs=costs, order=order)
    plots = [shown(name) for name in names if name in TITLES and name not in ELSEWHERE]
    curves = "\n\n".join(filter(None, [curves, *plots]))
    parts = [f"## Leaderboard ({heading(run, where)})", ranking, words, files, curves]
    return "\n\n".join(filter(None, parts))


def shown(name: str) -> str:
    """A plot of TITLES."""
    return f"![{TITLES[name]}](plots/{name}.svg)"


def heading(run: Run, where: Standing) -> str:
    """How many of what."""
    if run.totals.seeds == 1:
        return tally(where.board)
    return f"{tally(where.board, 'configuration')}, on {run.totals.seeds} seeds each"


def notes(run: Run) -> str:
    """What the user wrote about the run, word for word."""
    path = run.folder / "notes.md"
    text = path.read_text("utf-8", errors="replace").strip("\n") if path.is_file() else ""
    return f"{NOTES}\n\n{text}" if text else ""
