"""What mattered: the importance of each searched parameter and its importance by chance, and values by level and third.

All tables compare configurations at one epoch. A parameter that depends on another has levels and thirds for each case.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis.diagnostics.importance import BEST, SHUFFLES, Mattered
from analysis.diagnostics.same_epoch import Compared, Entry, compare
from analysis.frame import valued
from analysis.frame.ranges import Range, searched, tried
from analysis.ranking.standing import Standing
from analysis.ranking.statistics import LEVEL
from analysis.render.blocks import Blocks, Bold, Heading, Paragraph, Table, Words, join, paragraphs
from analysis.render.markdown import NOTHING, setting
from search.algorithms.table import adaptive
from search.run.ledger import Run
from trainables import written
from trainables.config import canonical
from trainables.objective import Objective
from trainables.written import count, plural

THIRDS = ("lowest third", "middle third", "highest third")
MOST = 8  # levels of a choice that are shown


class Case(NamedTuple):
    """One range of a parameter, and the configurations whose value comes from this range. `name` names the case."""

    key: str
    name: str
    range: Range
    entries: list[Entry]
    objective: Objective

    @property
    def values(self) -> list[Any]:
        return [entry.config[self.key] for entry in self.entries]


def section(run: Run, where: Standing, importance: Mattered | None) -> Blocks:
    """The tables, with the parameter that mattered most first; empty for fewer than three values."""
    found = compare(run.search_trials)
    keys = [key for key in order(run, importance) if is_varied(key, found.valued)]
    if len(found.valued) < 3 or not keys or where.best is None:
        return ()
    cases = {key: list(cases_of(run, key, found.valued)) for key in keys}
    wide = [case for own in cases.values() for case in own if case.range.is_wide]
    return (
        Heading("What mattered"),
        levels(where.best, cases, importance, found.epoch),
        *paragraphs(words(run, found, importance)),
        *slices(wide, found.epoch),
        *paragraphs(compared_words(found)),
    )


def levels(best: pd.Series, cases: dict[str, list[Case]], importance: Mattered | None, epoch: int) -> Table:
    """A table: the importance of each parameter, its value in the best trial, and the results at its levels."""
    header: tuple[Words, ...] = ("parameter", *(("importance", "by chance", "p") if importance else ()), "best")
    rows = [(key, *shares(importance, key), setting(key, best[key])) for key in cases]
    align = "l" + "r" * (len(header) - 1)
    if any(not case.range.is_wide for own in cases.values() for case in own):
        value = written.heading(valued.own(best))
        header, align = (*header, f"best {value} at each level within {plural(epoch, 'epoch')}"), align + "l"
        rows = [(*row, at_levels(own)) for row, own in zip(rows, cases.values(), strict=True)]
    return Table(header, tuple(rows), align)


def order(run: Run, importance: Mattered | None) -> list[str]:
    """The searched parameters, those that mattered most first."""
    return [*importance.parameters, *importance.untold] if importance else list(run.identity.space_params)


def is_varied(key: str, entries: Sequence[Entry]) -> bool:
    return len({canonical(entry.config.get(key)) for entry in entries}) > 1


def cases_of(run: Run, key: str, entries: Sequence[Entry]) -> Iterator[Case]:
    """The cases of a parameter that occur in some configuration; one case without a name if nothing decides on it."""
    present = [entry for entry in entries if entry.config.get(key) is not None]
    known = searched(run).get(key) or tried([entry.config[key] for entry in present])
    for name, range_ in known.cases.items():
        if own := [entry for entry in present if known.case(entry.config) == name]:
            yield Case(key, name, range_, own, run.identity.objective)


def shares(importance: Mattered | None, key: str) -> list[Words]:
    """The share of a parameter (in bold if it is above chance), its mean share by chance, and its p-value."""
    if importance is None:
        return []
    own = importance.parameters.get(key)
    if own is None:
        return [NOTHING] * 3
    share = f"{own.share:.2f}"
    return [Bold(share) if own.matters else share, f"{own.chance:.2f}", f"{own.adjusted:.3f}"]


def at_levels(cases: Sequence[Case]) -> Words:
    """The best result at each level of a parameter, in the order of the levels, with the best result of all in bold."""
    best: dict[tuple[str, Any, str], float] = {}
    objective = cases[0].objective
    for case in cases:
        for value, entry in zip(case.values, case.entries, strict=True):
            if not case.range.is_wide:
                name = case.name, sortable(value), setting(case.key, value)
                best[name] = objective.best([entry.value, best.get(name, objective.worst)])
    texts = {
        name: f"{label(name[2], name[0])}: {written.number(objective, value)}" for name, value in sorted(best.items())
    }
    top, kept = objective.best([objective.worst, *best.values()]), list(texts)[: MOST * len(cases)]
    shown = [Bold(texts[name]) if best[name] == top else texts[name] for name in kept]
    more = f"and {count(len(texts) - len(kept))} more" if len(texts) > len(kept) else ""
    thirds_too = "in thirds, below" if any(case.range.is_wide for case in cases) else ""
    return join(" · ", [*shown, more, thirds_too])


def label(text: str, case: str) -> str:
    """A value or parameter, and its case if it has one."""
    return f"{text} ({case})" if case else text


def sortable(value: Any) -> tuple[int, float, str]:
    """A sort key that puts numbers before names."""
    return (0, float(value), "") if isinstance(value, int | float) else (1, 0.0, str(value))


def slices(cases: Sequence[Case], epoch: int) -> Blocks:
    """A table of the best and the median value in each third of each interval, with the best of each row in bold."""
    if not cases:
        return ()
    cells = tuple((label(case.key, case.name), edges(case), *thirds(case)) for case in cases)
    told = (
        f"Thirds of the range, on its logarithmic scale where it has one: best / median "
        f"{written.heading(cases[0].objective)} within "
        f"{plural(epoch, 'epoch')} (number of configurations)."
    )
    return Table(("parameter", "range and its cuts", *THIRDS), cells, "llrrr"), Paragraph(told)


def edges(case: Case) -> str:
    """Where the thirds begin and end."""
    return " · ".join(setting(case.key, case.range.at(place / 3)) for place in range(4))


def thirds(case: Case) -> list[Words]:
    """One cell for each third of a range. A value outside of the range counts in the nearest third."""
    third = np.array([min(2, max(0, int(case.range.position(value) * 3))) for value in case.values])
    values, objective = np.array([entry.value for entry in case.entries]), case.objective
    parts = [values[third == place] for place in range(3)]
    bests, medians = ([what(part) if len(part) else np.nan for part in parts] for what in (objective.best, np.median))
    return [
        (bold(best, bests, objective), " / ", bold(median, medians, objective), f" ({count(len(part))})")
        if len(part)
        else NOTHING
        for best, median, part in zip(bests, medians, parts, strict=True)
    ]


def bold(value: float, others: Sequence[float], objective: Objective) -> Words:
    """A number, in bold if no other is better; NaN among the others stands for a missing number."""
    text = written.number(objective, value)
    return text if any(objective.is_better(other, value) for other in others) else Bold(text)


def compared_words(found: Compared) -> str:
    """Which trials are left out of the tables."""
    diverged = len(found.entries) - len(found.valued)
    parts = [
        f"{plural(found.shorter, 'trial')} that did not reach epoch {found.epoch}" if found.shorter else "",
        f"in levels and thirds, {plural(diverged, 'configuration')} that diverged" if diverged else "",
    ]
    left = "; ".join(filter(None, parts))
    return f"Not counted: {left}." if left else ""


def words(run: Run, found: Compared, importance: Mattered | None) -> str:
    """Explain importance."""
    if importance is None:
        return ""
    seeds = run.totals.seeds
    value = written.name(run.identity.objective)
    what, by = "trials", f"their best {value}"
    if seeds > 1:
        what, by = "configurations", f"the mean of their {run.identity.repeat}s' best {value}"
    told, conditional = len(importance.parameters), [key for key, own in searched(run).items() if own.decider]
    parts = [
        f"importance: how much the values of the parameter in the best {100 * BEST:.0f} % of {count(importance.configurations)} "
        f"{what} differ from its values in all of them (PED-ANOVA), as a share of the sum over the parameters. The best are "
        f"chosen by {by} within {plural(importance.epoch, 'epoch')}.",
        "Where a parameter depends on another, the values are compared within each case." if conditional else "",
        "A trial that diverged counts as the worst." if len(found.valued) < len(found.entries) else "",
        f"by chance: the mean share over {SHUFFLES} shuffles of the {written.several(run.identity.objective)}.",
        "p: the share of shuffles whose importance is at least as large"
        + (f", adjusted by Holm for {plural(told, 'parameter')}" if told > 1 else "")
        + f". An importance is bold where p is at most {100 * LEVEL:.0f} %. With no effect at all, at most "
        f"{100 * LEVEL:.0f} % of searches have any in bold. A parameter that is not bold may have no effect, or one too small "
        f"for so few {what}.",
        untold_words(importance),
        f"{run.identity.algorithm.upper()} chose its points by earlier results. The shuffles do not allow for that, so p is "
        "only a guide."
        if adaptive(run.identity.algorithm)
        else "",
    ]
    return " ".join(filter(None, parts))


def untold_words(importance: Mattered) -> str:
    """Why some parameters have no importance."""
    if not importance.untold:
        return ""
    names = ", ".join(importance.untold)
    return f"{names}: no importance, because with so few configurations at each value no outcome would be a surprise."
