"""Write numbers as text: counts of things, and the values of an objective with its names and its unit.

A fraction is written in per cent, and a difference of fractions in percentage points. Other values have four decimals.
"""

import re

from trainables.objective import ACCURACY, Objective

MINUS = "−"
HUGE = 1e7  # from here on a value has three decimals and a power of ten, as a loss that explodes


def count(number: int) -> str:
    """A count with commas, or in millions from one million on: 1,197 and 11.17M."""
    return f"{number / 1e6:.2f}M" if number >= 1_000_000 else f"{number:,}"


def plural(number: int, noun: str) -> str:
    """A count with its noun: 1 trial, 1,200 trials."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def name(objective: Objective) -> str:
    """The objective's name in a sentence: accuracy, loss, or macro F1; for own training the name of its column."""
    if objective.is_own:
        return objective.column
    return objective.column.removeprefix("val_").replace("_", " ").replace("f1", "F1")


def several(objective: Objective) -> str:
    """The plural of the objective's name: accuracies, or losses."""
    return re.sub("y$", "ie", re.sub("s$", "se", name(objective))) + "s"


def title(objective: Objective) -> str:
    """The objective's full name: validation accuracy; without "validation" for columns that are not of that split."""
    is_ours = objective.column.startswith("val_") and not objective.is_own
    return f"validation {name(objective)}" if is_ours else name(objective)


def is_percent(objective: Objective) -> bool:
    return objective.form == "percent"


def unit(objective: Objective) -> str:
    """The unit behind a value, with a space before it: " %", or empty."""
    return " %" if is_percent(objective) else ""


def axis(objective: Objective) -> str:
    """The label of an axis: validation accuracy (%)."""
    return f"{title(objective)} (%)" if is_percent(objective) else title(objective)


def heading(objective: Objective, what: str = "val") -> str:
    """The heading of a column of values: val %, or val loss; for own training the name of its column."""
    if objective.is_own:
        return f"{'' if what == 'val' else what + ' '}{name(objective)}{unit(objective)}"
    named = "" if objective == ACCURACY else f" {name(objective)}"
    return f"{what}{named}{unit(objective)}"


def differences(objective: Objective, what: str = "Δ") -> str:
    """The heading of a column of differences: Δ pp, or Δ loss."""
    return f"{what} pp" if is_percent(objective) else f"{what} {name(objective)}"


def plotted(objective: Objective, value: float) -> float:
    """A value as a number on an axis, in per cent for fractions."""
    return 100 * value if is_percent(objective) else value


def number(objective: Objective, value: float) -> str:
    """A value without its unit: 86.21, or 0.4312. With up to 10,000 images a third decimal of a per cent is noise."""
    if is_percent(objective):
        return f"{100 * value:.2f}"
    return (f"{value:.4f}" if abs(value) < HUGE else f"{value:.3e}").replace("-", MINUS)


def value(objective: Objective, value: float) -> str:
    """A value with its unit: 86.21 %."""
    return number(objective, value) + unit(objective)


def interval(objective: Objective, low: float, high: float) -> str:
    return f"{number(objective, low)} to {number(objective, high)}"


def difference(objective: Objective, far: float) -> str:
    """A difference with its sign: +1.20 (percentage points), or −0.0130. A difference that rounds to zero is positive."""
    text = f"{100 * far:+z.2f}" if is_percent(objective) else f"{far:+z.4f}"
    return text.replace("-", MINUS)


def apart(objective: Objective, far: float) -> str:
    """The distance between two values as text: 1.20 points, or 0.0130."""
    return number(objective, far) + points(objective)


def points(objective: Objective) -> str:
    """The unit behind a difference, with a space before it: " points", or empty."""
    return " points" if is_percent(objective) else ""


def better(objective: Objective) -> str:
    """The word for the better of two values: higher, or lower."""
    return "higher" if objective.mode == "max" else "lower"


def side(objective: Objective, gain: float) -> str:
    """The word for the side of another value on which a value lies: below if `gain` is negative, else above."""
    return "below" if gain < 0 else "above"
