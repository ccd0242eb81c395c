"""results.md: the whole text of a run, a pure function of its folder. Same ledger, same bytes."""

import pandas as pd

from analysis import answer, comparison, frame, ranking
from analysis.copying import MARKER, NOTES
from analysis.failures import failures
from analysis.leaderboard import TOP, best_rows, explanation, leaderboard, tally
from analysis.markdown import count, one_line
from analysis.provenance import provenance
from analysis.stopping import early_stopping
from analysis.winner import winner_on_test
from search.ledger import Run

CURVES = "plots/learning_curves.svg"


def rank(run: Run) -> pd.DataFrame:
    """The trials of a run, best first, with their intervals and ties."""
    return comparison.compare(ranking.rank(frame.load([run])), run.identity["sizes"]["val"])


def render(run: Run, ranked: pd.DataFrame) -> str:
    """The text of results.md, with links relative to the run folder."""
    keys = frame.varied(ranked, [run])
    fixed = [key for key in frame.config_keys([run]) if key not in keys]
    sections = [
        f"{MARKER} {one_line(run.name).replace('-->', '')} -->",
        answer.title(run),
        answer.banner(run),
        answer.answer(run, ranked, keys),
        answer.protocol(run),
        board(run, ranked, keys),
        winner_on_test(run, ranked),
        early_stopping(run),
        failures(run, ranked),
        provenance(run, ranked, fixed) if len(ranked) else "",
        notes(run),
    ]
    return "\n\n".join(filter(None, sections)) + "\n"


def board(run: Run, ranked: pd.DataFrame, keys: list[str]) -> str:
    """The leaderboard with its explanation, and the curves."""
    rows = best_rows(ranked)
    more = f"The table has the best {TOP} and the baseline. " if len(rows) < len(ranked) else ""
    files = (
        f"{more}All {count(len(ranked))} with all metrics: [results.csv](results.csv), [results.json](results.json)."
    )
    curves = f"![Validation accuracy by epoch]({CURVES})" if ranked["epochs"].any() else ""
    words = "\n".join(f"- {line}" for line in explanation(ranked, run.identity["sizes"]["val"], run.totals["seeds"]))
    parts = [f"## Leaderboard ({tally(ranked)})", leaderboard(rows, keys), words, files, curves]
    return "\n\n".join(filter(None, parts)) if len(ranked) else "## Leaderboard (no trials)"


def notes(run: Run) -> str:
    """What the user wrote about the run, word for word."""
    path = run.folder / "notes.md"
    text = path.read_text(errors="replace").strip("\n") if path.is_file() else ""
    return f"{NOTES}\n\n{text}" if text else ""
