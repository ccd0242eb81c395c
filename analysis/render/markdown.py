"""Blocks, text and numbers as GitHub-flavoured Markdown: whatever a name or an error holds stays text in its cell."""

import html
import re
import unicodedata
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import tabulate as tables
from tabulate import tabulate

from analysis.render import blocks
from analysis.render.blocks import LONGEST, Block, Blocks, Words
from trainables.cli.streams import with_bytes

# Else a table is as wide as a package says that is there on one machine and not on another.
tables.WIDE_CHARS_MODE = False
LONGEST_SENTENCE = 400  # the same of one in which names of classes or files stand
RATES = ("lr", "weight_decay")  # span decades, so they are written as 3.2e-2
NOTHING = "–"

_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;", "$": "&#36;"})
_MARKUP = re.compile(r"([\\`*\[\]()|~#!]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")  # within a word _ is only itself
_ACTIVE = re.compile(r"([\\`*\[\]|~]|#(?=\w)|!$|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")
_TAG = re.compile(r"<(?![0-9 ])")
_START = re.compile(r"^(\d{1,9}(?=[.)](?:\s|$))|(?=[-+=#>]))")  # of a list, a heading, a quote or a line
_END = re.compile(r"(?<!\\)#$")  # of a heading, where it would be left out
_FOLDERS = re.compile(r"(?<![\w.:/])(?:/[^\s/'\":,]+)+/")  # of an absolute path; the path of an address is none
_ADDRESS = re.compile(r"://|www\.", re.IGNORECASE)  # what GitHub turns into a link without being asked


def one_line(value: object) -> str:
    """Visible text on one line: control and bidirectional characters go; bytes that are no text are written out."""
    return " ".join(visible(str(value)).split())


def visible(text: str) -> str:
    """The same with its spaces."""
    return "".join(map(_visible, with_bytes(text)))


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
    return _without_addresses(_MARKUP.sub(r"\\\1", cut(value, longest)).translate(_ENTITIES))


def cut(value: object, longest: int = LONGEST) -> str:
    """Visible text on one line, and no more of it than that."""
    text = one_line(value)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _text(text: str) -> str:
    """A text of any length, shown as it is; marks that do nothing by themselves, such as parentheses, are not escaped."""
    text = _ACTIVE.sub(r"\\\1", visible(text).replace("&", "&amp;"))
    return _without_addresses(_TAG.sub("&lt;", text).replace("@", "&#64;").replace("$", "&#36;"))


def _without_addresses(text: str) -> str:
    return _ADDRESS.sub(lambda match: match[0].replace("://", ":&#47;/").replace(".", "&#46;"), text)


def sentence(text: str) -> str:
    """A remark that begins in small letters, as a sentence of its own."""
    return cut(text[0].upper() + text[1:], LONGEST_SENTENCE)


def table(header: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    """A table of cells that are Markdown already; `align` has one letter (l or r) for each column."""
    sides = ["left" if letter == "l" else "right" for letter in align]
    return tabulate(rows, headers=header, tablefmt="pipe", colalign=sides if rows else None, disable_numparse=True)


def fence(*lines: str, language: str = "bash") -> str:
    """A block of lines as they are."""
    ends = [line for line in lines if line.lstrip().startswith("```")]
    marks = "`" * max(3, 1 + longest_marks("\n".join(ends)))
    return "\n".join([f"{marks}{language}", *lines, marks])


def code(text: str) -> str:
    """Text in a span of code, whatever it holds: the marks around it are longer than any run of them in it."""
    marks = "`" * (1 + longest_marks(text))
    space = " " if "`" in (text[:1], text[-1:]) else ""
    return f"{marks}{space}{text}{space}{marks}"


def longest_marks(text: str) -> int:
    """Of the runs of backticks."""
    return max(map(len, re.findall("`+", text)), default=0)


# Blocks -----------------------------------------------------------------------------------------------------------------


def rendered(content: Blocks) -> str:
    """Blocks with an empty line between them; links and plots are relative to the run folder."""
    return "\n\n".join(map(_block, content))


def _block(block: Block) -> str:
    """One block."""
    match block:
        case blocks.Heading(words, level):
            return "#" * level + " " + _END.sub(r"\\#", line(words))
        case blocks.Paragraph(words):
            return line(words)
        case blocks.Quote(words):
            return f"> {line(words)}"
        case blocks.Items(items):
            return "\n".join(f"- {line(words)}" for words in items)
        case blocks.Table(header, rows, align):
            return table([*map(inline, header)], [[*map(inline, row)] for row in rows], align)
        case blocks.Commands(lines, language):
            return fence(*map(visible, lines), language=language)
        case blocks.Plot(name, title):
            return f"![{inline(title)}]({address(f'plots/{name}.svg')})"
        case blocks.Details(summary, content):
            head = f"<summary>{html.escape(visible(summary), quote=False)}</summary>"
            return f"<details>\n{head}\n\n{rendered(content)}\n\n</details>"
        case blocks.Notes(markdown):
            return markdown


def line(words: Words) -> str:
    """A line that begins nothing but a paragraph."""
    return _START.sub(r"\1\\", inline(words).strip())


def inline(words: Words) -> str:
    """Words within a line."""
    match words:
        case str(text):
            return _text(text)
        case blocks.Foreign(text, longest):
            return escape(text, longest)
        case blocks.Bold(inner):
            return f"**{inline(inner).strip()}**"
        case blocks.Code(text):
            return code(visible(text)) if text.strip() else ""
        case blocks.Link(inner, target):
            return f"[{inline(inner)}]({address(target)})"
        case blocks.Break():
            return "<br>"
    return "".join(map(inline, words))


def address(path: str) -> str:
    """A relative path as the target of a link: no scheme, space or mark is left in it."""
    return quote(path, errors="replace")


def plain(words: Words) -> str:
    """Words as they are read, for a terminal, or to know how wide they are."""
    match words:
        case str(text):
            return visible(text)
        case blocks.Foreign(text, longest):
            return cut(text, longest)
        case blocks.Bold(inner) | blocks.Link(inner, _):
            return plain(inner)
        case blocks.Code(text):
            return visible(text)
        case blocks.Break():
            return " "
    return "".join(map(plain, words))


# Numbers ----------------------------------------------------------------------------------------------------------------


def percent(fraction: float) -> str:
    """Two decimals: with up to 10,000 images a third one is noise."""
    return f"{100 * fraction:.2f}"


def interval(low: float, high: float) -> str:
    return f"{percent(low)} to {percent(high)}"


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
    return cut(value)


def short(value: float) -> str:
    """Four digits if they are exact, else three."""
    return f"{value:.4g}" if float(f"{value:.4g}") == value else f"{value:.3g}"


def settings(config: dict[str, Any]) -> str:
    """Several hyperparameters as text: lr 3.2e-2, depth 3."""
    return ", ".join(f"{key} {setting(key, value)}" for key, value in config.items())
