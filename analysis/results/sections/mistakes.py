"""Examples of the validation images that the winner gets wrong."""

from collections.abc import Collection

from analysis.diagnostics import mistakes
from analysis.diagnostics.mistakes import OF_A_KIND, Mistakes
from analysis.plots.mistakes import TITLE
from analysis.ranking.standing import Standing
from analysis.render.blocks import Blocks, Heading, Paragraph, Plot, Words
from analysis.results.sections.leaderboard import identifier
from search.run.ledger import Run
from trainables.written import count, plural


def section(run: Run, where: Standing, plots: Collection[str]) -> Blocks:
    """A sentence and the plot; empty if there is no plot."""
    found = mistakes.find(run, where) if "mistakes" in plots else None
    if found is None:
        return ()
    return Heading(TITLE), Paragraph(told(run, where, found)), Plot("mistakes", TITLE)


def told(run: Run, where: Standing, found: Mistakes) -> Words:
    """How many mistakes there are, and which of them are shown."""
    best = where.best
    assert best is not None, "there is a winner"
    shown, of = len(found.examples), " of its fold" if run.identity.folds else ""
    return (
        identifier(best.to_dict()),
        f" gets {count(found.wrong)} of {plural(found.images, 'validation image')}{of} wrong. {which(shown, found)}",
    )


def which(shown: int, found: Mistakes) -> str:
    """How the examples were chosen and drawn."""
    if shown == found.wrong:
        return "Each is shown at its real size, as the network sees it."
    asked = f"{'best ' if found.networks == mistakes.OTHERS else ''}{found.networks} finished networks"
    alike = f"first those that most of the {asked} take for the same class, " if found.networks > 1 else ""
    return (
        f"{shown} are shown at their real size, as the network sees them: {alike}at most {OF_A_KIND} of one class that are "
        "taken for the same other class."
    )
