"""Validation images that the winner gets wrong, at their real size, each with its class and the one that it is taken for."""

import base64
import io
import unicodedata
from typing import TYPE_CHECKING, TypedDict

from analysis.diagnostics import mistake_images
from analysis.plots import style
from analysis.ranking.standing import Standing
from analysis.render.markdown import one_line
from search.run.ledger import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Mistakes of the winner"
WIDE, CELL, GAP, LINE = 920, 150, 14, 14  # pixels: the sheet at most, a cell at least, between cells, a line of text
LONGEST = 23  # characters of a line in a cell
DPI = 96  # pixels of an inch, as browsers have it


class Example(TypedDict):
    """One image: PNG in base64, and the lines below it."""

    png: str
    lines: list[str]


class Sheet(TypedDict):
    examples: list[Example]


def picture(run: Run, where: Standing) -> Sheet | None:
    """Of a winner with mistakes whose pictures can be had."""
    shown = mistake_images.of_winner(run, where)
    if shown is None:
        return None
    found, pictures = shown
    classes = run.identity.classes
    return {
        "examples": [
            {"png": own.png, "lines": lines(classes[each.label], classes[each.said], own.name)}
            for each, own in zip(found.examples, pictures, strict=True)
        ]
    }


def lines(label: str, said: str, name: str) -> list[str]:
    """What stands below an image; of a path that is too long the end."""
    told = [cut(one_line(label)), cut(f"taken for {one_line(said)}")]
    return [*told, cut(one_line(name)[::-1])[::-1]] if name else told


def cut(text: str) -> str:
    """As much of a text as a line holds; characters of Chinese, Japanese and Korean are two wide."""
    room = LONGEST
    for place, character in enumerate(text):
        room -= 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if room < 0:
            return f"{text[: max(0, place - 1)]}…"
    return text


def draw(picture: Sheet) -> "Figure":
    """Cells in rows, so many that the sheet is as wide as a page; a pixel of an image is a pixel of the page."""
    from PIL import Image

    images = [Image.open(io.BytesIO(base64.b64decode(each["png"]))) for each in picture["examples"]]
    size = max(image.width for image in images)
    cell, row = max(size, CELL), size + 3 * LINE + GAP
    columns = min(len(images), max(1, (WIDE + GAP) // (cell + GAP)))
    width, height = columns * (cell + GAP) - GAP, -(-len(images) // columns) * row
    figure = style.sheet(width / DPI, height / DPI)
    figure.set_layout_engine("none")
    for place, (image, example) in enumerate(zip(images, picture["examples"], strict=True)):
        left, top = (place % columns) * (cell + GAP), height - (place // columns) * row
        axes = figure.add_axes((left / width, (top - size) / height, size / width, size / height))
        axes.imshow(image, interpolation="none", aspect="auto")
        axes.set_axis_off()
        for number, text in enumerate(example["lines"]):
            below = (top - size - 3 - number * LINE) / height
            figure.text(left / width, below, text, va="top", fontsize=7.5)
    return figure
