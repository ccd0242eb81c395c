"""Draw a curve as lines of text, with Unicode's Braille characters as cells of two by four dots."""

from collections.abc import Sequence

import numpy as np

WIDTH, HEIGHT = 60, 10  # characters
BLANK = 0x2800  # the Braille character without dots; each dot adds one bit
BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # by row and column of a dot in its cell


def plot(values: Sequence[float]) -> str:
    """Draw values over 1, 2, 3, ... as a line, with the largest and smallest value at the left; empty without values."""
    if not values:
        return ""
    low, high = min(values), max(values)
    cells = np.full((HEIGHT, WIDTH), BLANK)
    for column, row in dots(np.asarray(values, float), low, high):
        cells[row // 4, column // 2] |= BITS[row % 4][column % 2]
    labels = {0: f"{high:.2f}", HEIGHT - 1: f"{low:.2f}" if high > low else ""}
    margin = max(map(len, labels.values()))
    lines = [
        f"{labels.get(y, ''):>{margin}} ┤{''.join(map(chr, line)).rstrip(chr(BLANK))}" for y, line in enumerate(cells)
    ]
    axis = f"{'':>{margin}} └{'─' * WIDTH}"
    return "\n".join([*lines, axis, f"{'':>{margin}}  1{len(values):>{WIDTH - 1}}"])


def dots(values: np.ndarray, low: float, high: float) -> list[tuple[int, int]]:
    """Column and row of each dot on the line through the values; the origin is at the top left."""
    places = np.linspace(0, len(values) - 1, 8 * WIDTH if len(values) > 1 else 1)
    heights = np.interp(places, np.arange(len(values)), values)
    columns = (places / max(1, len(values) - 1) * (2 * WIDTH - 1)).round().astype(int)
    rows = ((high - heights) / ((high - low) or 1) * (4 * HEIGHT - 1)).round().astype(int)
    return list(dict.fromkeys(zip(columns.tolist(), rows.tolist(), strict=True)))
