"""The confusion matrix of the winner on the test split."""

from typing import TYPE_CHECKING, TypedDict

import numpy as np

from analysis.plots import style
from analysis.ranking.standing import Standing
from analysis.ranking.test_scores import evaluation
from analysis.render.markdown import NOTHING, one_line
from search.run.ledger import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Confusion matrix of the winner on the test split"
MOST_CLASSES, LONGEST = 20, 20  # characters of a class


class Matrix(TypedDict):
    """For each true class the shares of the predicted ones in per cent, None where it has no images."""

    classes: list[str]
    shares: list[list[float | None]]


def picture(run: Run, where: Standing) -> Matrix | None:
    """Of a winner that was tested, where there is room for its classes."""
    best = where.best
    metrics = None if best is None else evaluation(run, int(best["index"]), int(best["best_epoch"]))
    if metrics is None or not 1 < len(run.identity.classes) <= MOST_CLASSES:
        return None
    shares = [row_shares(row) for row in metrics["confusion_matrix"]]
    return {"classes": [one_line(name)[:LONGEST] for name in run.identity.classes], "shares": shares}


def row_shares(counts: list[int]) -> list[float | None]:
    """What the images of a class were taken for, in percent; nothing of a class without images."""
    total = sum(counts)
    return (100 * np.array(counts, float) / total).round(1).tolist() if total else [None] * len(counts)


def draw(picture: Matrix) -> "Figure":
    """Shares as shades of blue from white, with the numbers, which are read without any colour."""
    classes, shares = picture["classes"], np.array(picture["shares"], float)  # None is NaN
    side = 1.6 + 0.42 * len(classes)
    figure = style.sheet(side + 0.8, side)
    axes = figure.add_subplot()
    shades = shade(np.nan_to_num(shares))
    axes.imshow(shades, interpolation="none")
    for (row, column), share in np.ndenumerate(shares):
        if share >= 0.5 or np.isnan(share):
            text = NOTHING if np.isnan(share) else f"{share:.0f}"
            ink = ink_on(shades[row, column])
            axes.text(column, row, text, ha="center", va="center", fontsize=7, color=ink)
    axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(classes)), classes)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true (% of its images)")
    return figure


def shade(shares: np.ndarray) -> np.ndarray:
    """Red, green and blue (..., 3) from 0 to 1 of shares from 0 to 100: opaque, so that no page shines through."""
    blue = np.array([0x00, 0x72, 0xB2]) / 255
    return 1 - (1 - blue) * np.clip(shares, 0, 100)[..., None] / 100


def ink_on(paper: np.ndarray) -> str:
    """Black or white, whichever is read better on this colour: the contrast is 4.58 at the least."""
    return "black" if contrast(paper, np.zeros(3)) >= contrast(paper, np.ones(3)) else "white"


def contrast(one: np.ndarray, other: np.ndarray) -> float:
    """Of two colours (3,) from 0 to 1, as WCAG 2 defines it: from 1 to 21."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: np.ndarray) -> float:
    """How bright a colour of sRGB is, from 0 to 1."""
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])
