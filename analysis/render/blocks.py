"""The blocks of a page as values; markdown.py and html.py render these blocks."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

LONGEST = 120  # characters of a foreign text that are shown

# Within a line ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Foreign:
    """Text from outside this project, such as an error or a name; it is shown on one line and cut after `longest`."""

    text: object
    longest: int = LONGEST


@dataclass(frozen=True)
class Bold:
    words: "Words"


@dataclass(frozen=True)
class Code:
    """A command or a name of a file, shown as it is typed."""

    text: str


@dataclass(frozen=True)
class Link:
    """A link to a file or folder within the run folder; the target is a relative path, not quoted."""

    words: "Words"
    target: str


@dataclass(frozen=True)
class Break:
    """A line break."""


# A str is text as well, whatever it holds, but it is not cut.
Words: TypeAlias = str | Foreign | Bold | Code | Link | Break | tuple["Words", ...]


def join(separator: str, parts: Iterable[Words]) -> Words:
    """The parts that are not empty, with a separator between them."""
    found: list[Words] = []
    for part in parts:
        if part:
            found += [separator, part] if found else [part]
    return tuple(found)


# Below each other -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Heading:
    words: Words
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    words: Words


@dataclass(frozen=True)
class Quote:
    """A paragraph that a reader must not overlook, shown as a block quote."""

    words: Words


@dataclass(frozen=True)
class Items:
    """A list."""

    items: tuple[Words, ...]


@dataclass(frozen=True)
class Table:
    """A table with at least one column; `align` has one letter (l or r) for each. No cell holds code or a line break."""

    header: tuple[Words, ...]
    rows: tuple[tuple[Words, ...], ...]
    align: str


@dataclass(frozen=True)
class Commands:
    """Lines of code that are shown unchanged: commands to paste, or code in another `language`."""

    lines: tuple[str, ...]
    language: str = "bash"


@dataclass(frozen=True)
class Plot:
    """The picture plots/NAME.svg of the run."""

    name: str
    title: str


@dataclass(frozen=True)
class Details:
    """Blocks that are hidden below their summary until a reader opens them."""

    summary: str
    blocks: "Blocks"


@dataclass(frozen=True)
class Notes:
    """The user's notes; this is the only block whose text is Markdown."""

    markdown: str


Block: TypeAlias = Heading | Paragraph | Quote | Items | Table | Commands | Plot | Details | Notes
# A section: its heading and what stands below it; empty if there is nothing to say.
Blocks: TypeAlias = tuple[Block, ...]


def pairs(header: tuple[Words, Words], values: Mapping[str, object], align: str = "ll") -> Blocks:
    """A table of names and values; empty if there are no values."""
    rows = tuple((Foreign(name), Foreign(value)) for name, value in values.items())
    return (Table(header, rows, align),) if rows else ()


def paragraphs(*words: Words) -> Blocks:
    """One paragraph for each text that is not empty."""
    return tuple(Paragraph(each) for each in words if each)


def items(words: Iterable[Words]) -> Blocks:
    """A list of the texts that are not empty; nothing if all are empty."""
    found = tuple(each for each in words if each)
    return (Items(found),) if found else ()


def without_links(blocks: Blocks) -> Blocks:
    """Blocks for a terminal: the links in the cells of tables become plain words."""
    return tuple(_without_links(block) if isinstance(block, Table) else block for block in blocks)


def _without_links(table: Table) -> Table:
    return Table(table.header, tuple(tuple(map(unlinked, row)) for row in table.rows), table.align)


def unlinked(words: Words) -> Words:
    """Words in which each link is replaced by its own words."""
    if isinstance(words, tuple):
        return tuple(map(unlinked, words))
    return words.words if isinstance(words, Link) else words
