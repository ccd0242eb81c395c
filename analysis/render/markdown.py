"""Blocks, text and numbers as GitHub-flavoured Markdown; any content of a name or an error stays plain text in its cell."""

import html
import math
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

# Otherwise the widths of a table depend on a package that is installed on some machines only.
tables.WIDE_CHARS_MODE = False
LONGEST_SENTENCE = 400  # characters shown of a sentence with names of classes or files
RATES = ("lr", "weight_decay")  # these span decades, so their values are written as 3.2e-2
NOTHING = "–"

_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;", "$": "&#36;"})
_MARKUP = re.compile(r"([\\`*\[\]()|~#!]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")  # within a word _ is only itself
_ACTIVE = re.compile(r"([\\`*\[\]|~]|#(?=\w)|!$|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")
_TAG = re.compile(r"<(?![0-9 ])")
_START = re.compile(r"^(\d{1,9}(?=[.)](?:\s|$))|(?=[-+=#>]))")  # would start a list, a heading, a quote or a rule
_END = re.compile(r"(?<!\\)#$")  # Markdown would drop this mark at the end of a heading
_FOLDERS = re.compile(r"(?<![\w.:/])(?:/[^\s/'\":,]+)+/")  # the folders of an absolute path, but not of a URL
_ADDRESS = re.compile(r"://|www\.", re.IGNORECASE)  # GitHub turns text with these into a link


def one_line(value: object) -> str:
    """Visible text on one line: control and bidirectional characters are removed, and bytes that are no text written out."""
    return " ".join(visible(str(value)).split())


def visible(text: str) -> str:
    """Visible text with its spaces; bytes that are no text are written out, and a line break becomes a space."""
    return "".join(map(_visible, with_bytes(text)))


def _visible(character: str) -> str:
    """The character itself if it is visible; nothing for a mark of direction or width; a space for any other character."""
    if character.isprintable():
        return character
    return "" if unicodedata.category(character) == "Cf" else " "


def without_folders(text: str) -> str:
    """Remove folders from absolute paths: /home/ann/data/x.png becomes x.png, which does not tell who works on the machine."""
    return _FOLDERS.sub("", text)


def escape(value: object, longest: int = LONGEST) -> str:
    """Escape text for a paragraph or a cell of Markdown: no markup, link or new column; text after `longest` is cut."""
    return _without_addresses(_MARKUP.sub(r"\\\1", cut(value, longest)).translate(_ENTITIES))


def cut(value: object, longest: int = LONGEST) -> str:
    """Visible text on one line, cut to at most `longest` characters."""
    text = one_line(value)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _text(text: str) -> str:
    """Escape text of any length; marks that are no markup by themselves, such as parentheses, are not escaped."""
    text = _ACTIVE.sub(r"\\\1", visible(text).replace("&", "&amp;"))
    return _without_addresses(_TAG.sub("&lt;", text).replace("@", "&#64;").replace("$", "&#36;"))


def _without_addresses(text: str) -> str:
    return _ADDRESS.sub(lambda match: match[0].replace("://", ":&#47;/").replace(".", "&#46;"), text)


def sentence(text: str) -> str:
    """A remark as a sentence: its first letter becomes a capital, and it is cut to LONGEST_SENTENCE characters."""
    return cut(text[0].upper() + text[1:], LONGEST_SENTENCE)


def table(header: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    """A table of cells that are Markdown already; `align` has one letter (l or r) for each column."""
    sides = ["left" if letter == "l" else "right" for letter in align]
    return tabulate(rows, headers=header, tablefmt="pipe", colalign=sides if rows else None, disable_numparse=True)


def fence(*lines: str, language: str = "bash") -> str:
    """A fenced block of code; its fence is longer than any run of backticks in a line that starts like a fence."""
    ends = [line for line in lines if line.lstrip().startswith("```")]
    marks = "`" * max(3, 1 + longest_marks("\n".join(ends)))
    return "\n".join([f"{marks}{language}", *lines, marks])


def code(text: str) -> str:
    """Text as a span of code; the span's backticks are more than any run of backticks in the text."""
    marks = "`" * (1 + longest_marks(text))
    space = " " if "`" in (text[:1], text[-1:]) else ""
    return f"{marks}{space}{text}{space}{marks}"


def longest_marks(text: str) -> int:
    """The length of the longest run of backticks in a text."""
    return max(map(len, re.findall("`+", text)), default=0)


# Blocks -----------------------------------------------------------------------------------------------------------------


def rendered(content: Blocks) -> str:
    """Blocks as Markdown with an empty line between blocks; links and plots are relative to the run folder."""
    return "\n\n".join(map(_block, content))


def _block(block: Block) -> str:
    """One block as Markdown."""
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
    """Words as a line of Markdown that starts no list, heading, quote or rule."""
    return _START.sub(r"\1\\", inline(words).strip())


def inline(words: Words) -> str:
    """Words within a line as Markdown."""
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
    """A relative path quoted as the target of a link, without a scheme, spaces or marks of Markdown."""
    return quote(path, errors="replace")


def plain(words: Words) -> str:
    """Words without markup, for a terminal or to measure their width."""
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
    """A fraction in percent with two decimals; with up to 10,000 images a third decimal is noise."""
    return f"{100 * fraction:.2f}"


def interval(low: float, high: float) -> str:
    return f"{percent(low)} to {percent(high)}"


def rate(value: float) -> str:
    """A rate such as 3.2e-2; three digits if these are exact (1.25e-3), so that neighbours of a grid look different."""
    if value == 0:
        return "0"
    digits = next((d for d in (1, 2) if float(f"{value:.{d}e}") == value), 1)
    mantissa, exponent = f"{value:.{digits}e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def setting(key: str, value: Any) -> str:
    """The value of a hyperparameter, rounded for reading; results.csv and the commands have the exact values."""
    if value is None:
        return NOTHING
    if isinstance(value, int | float) and not isinstance(value, bool):
        return rate(value) if key in RATES else short(value)
    return cut(value)


def chance(p_value: float) -> str:
    """A p-value with three decimals, or <0.001."""
    if math.isnan(p_value):
        return NOTHING
    return "<0.001" if p_value < 0.001 else f"{p_value:.3f}"


def short(value: float) -> str:
    """A number with four significant digits if these are exact, else with three."""
    return f"{value:.4g}" if float(f"{value:.4g}") == value else f"{value:.3g}"


def settings(config: dict[str, Any]) -> str:
    """Several hyperparameters as text, such as lr 3.2e-2, depth 3."""
    return ", ".join(f"{key} {setting(key, value)}" for key, value in config.items())
