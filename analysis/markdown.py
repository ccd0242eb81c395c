"""Text, numbers and tables as GitHub-flavoured Markdown: whatever a name or an error holds stays text in its cell."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import tabulate as tables
from tabulate import tabulate

from trainables.streams import with_bytes

# Else a table is as wide as a package says that is there on one machine and not on another.
tables.WIDE_CHARS_MODE = False
LONGEST = 120  # characters of a foreign text that are shown
LONGEST_SENTENCE = 400  # the same of one in which names of classes or files stand
RATES = ("lr", "weight_decay")  # span decades, so they are written as 3.2e-2
NOTHING = "–"

_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;", "$": "&#36;"})
_MARKUP = re.compile(r"([\\`*\[\]()|~#!]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")  # within a word _ is only itself
_FOLDERS = re.compile(r"(?<![\w.:/])(?:/[^\s/'\":,]+)+/")  # of an absolute path; the path of an address is none
_ADDRESS = re.compile(r"://|www\.", re.IGNORECASE)  # what GitHub turns into a link without being asked


def one_line(value: object) -> str:
    """Visible text on one line: control and bidirectional characters go; bytes that are no text are written out."""
    return " ".join("".join(map(_visible, with_bytes(str(value)))).split())


def _visible(character: str) -> str:
    """The character; nothing for a mark of direction or width, and a space for what else cannot be seen."""
    if character.isprintable():
        return character
    return "" if unicodedata.category(character) == "Cf" else " "


def without_folders(text: str) -> str:
    """/home/ann/data/x.png becomes x.png: where files lie is the business of one machine, and says who works on it."""
    return _FOLDERS.sub("", text)


def escape(value: object, longest: int = LONGEST) -> str:
    """Text that Markdown shows as it is, in a paragraph or a cell: no markup, link or new column; long text is cut."""
    text = one_line(value)
    text = text if len(text) <= longest else text[: longest - 1] + "…"
    text = _MARKUP.sub(r"\\\1", text).translate(_ENTITIES)
    return _ADDRESS.sub(lambda match: match[0].replace("://", ":&#47;/").replace(".", "&#46;"), text)


def sentence(text: str) -> str:
    """A remark that begins in small letters, as a sentence of its own."""
    return escape(text[0].upper() + text[1:], LONGEST_SENTENCE)


def link(text: str, target: str) -> str:
    """A link; `text` is Markdown already and `target` a quoted relative path."""
    return f"[{text}]({target})"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    """A table of cells that are Markdown already; `align` has one letter (l or r) for each column."""
    sides = ["left" if letter == "l" else "right" for letter in align]
    return tabulate(rows, headers=header, tablefmt="pipe", colalign=sides if rows else None, disable_numparse=True)


def fence(*lines: str) -> str:
    """A block of commands, one a line."""
    return "\n".join(["```bash", *lines, "```"])


def code(text: str) -> str:
    """Text in a span of code, whatever it holds: the marks around it are longer than any run of them in it."""
    marks = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    space = " " if "`" in (text[:1], text[-1:]) else ""
    return f"{marks}{space}{text}{space}{marks}"


def details(summary: str, body: str) -> str:
    """A part that is folded away until it is asked for."""
    return f"<details>\n<summary>{summary}</summary>\n\n{body}\n\n</details>"


def percent(fraction: float) -> str:
    """Two decimals: with up to 10,000 images a third one is noise."""
    return f"{100 * fraction:.2f}"


def interval(low: float, high: float) -> str:
    return f"{percent(low)} to {percent(high)}"


def count(number: int) -> str:
    """1,197 and 11.17M."""
    return f"{number / 1e6:.2f}M" if number >= 1_000_000 else f"{number:,}"


def rate(value: float) -> str:
    """3.2e-2; three digits where they are exact (1.25e-3), so that neighbours of a grid do not look alike."""
    if value == 0:
        return "0"
    digits = next((d for d in (1, 2) if float(f"{value:.{d}e}") == value), 1)
    mantissa, exponent = f"{value:.{digits}e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def setting(key: str, value: Any) -> str:
    """The value of a hyperparameter for reading; exact ones are in results.csv and in the commands."""
    if value is None:
        return NOTHING
    if isinstance(value, int | float) and not isinstance(value, bool):
        return rate(value) if key in RATES else short(value)
    return escape(value)


def short(value: float) -> str:
    """Four digits if they are exact, else three."""
    return f"{value:.4g}" if float(f"{value:.4g}") == value else f"{value:.3g}"


def settings(config: dict[str, Any]) -> str:
    """Several hyperparameters as text: lr 3.2e-2, depth 3."""
    return ", ".join(f"{escape(key)} {setting(key, value)}" for key, value in config.items())


def plural(number: int, noun: str) -> str:
    return f"{count(number)} {noun}" if number == 1 else f"{count(number)} {noun}s"
