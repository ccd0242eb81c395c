"""The tables of flags in docs/, written from search/flags.py: all of flags.md, and a part of resume.md.

python -m search.terminal.reference     writes both anew; a test says when that is due
"""

from collections.abc import Iterable
from pathlib import Path

from search.flags import FLAGS, Flags, Kind, described, of_kind, spellings
from trainables.cli.options import shown

DOCS = Path(__file__).parents[2] / "docs"
BEGIN, END = "<!-- written by python -m search.terminal.reference: begin -->\n", "<!-- end -->\n"
TITLES = ("flag", "default", "meaning", "class")
PAGE = """# The flags of run_search.py

`python -m search.terminal.reference` writes this page from `search/flags.py`. The class says whether another value may be
given when a run is continued: [resume.md](resume.md). `--help` prints the same groups.

Underscores may stand for dashes. `-h`, `--help` and `--version` print and stop; `--debug` adds the traceback to an error.
"""


def page() -> str:
    """docs/flags.md: a table for each group."""
    groups = dict.fromkeys(entry.group for entry in FLAGS.values())
    parts = [f"\n## {group}\n\n{table(TITLES, map(row, members(group)))}" for group in groups]
    return PAGE + "".join(parts)


def members(group: str) -> list[str]:
    return [name for name, entry in FLAGS.items() if entry.group == group]


def row(name: str) -> tuple[str, ...]:
    """The row of one flag in the table of its group."""
    entry = FLAGS[name]
    default = shown(getattr(Flags, name)) or entry.unset
    return ", ".join(f"`{each}`" for each in spellings(name)), default, described(name), entry.kind.name.lower()


def classes() -> str:
    """The table of docs/resume.md: the flags of each class, and what another value means."""
    return table(("class", "flags", "another value"), map(row_of_class, Kind))


def row_of_class(kind: Kind) -> tuple[str, ...]:
    return kind.name.lower(), ", ".join(f"`{spellings(name)[0]}`" for name in of_kind(kind)), kind.value


def table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    titles = list(titles)
    cells = [titles, ["---"] * len(titles), *([cell.replace("|", "\\|") for cell in line] for line in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def written() -> dict[Path, str]:
    """The pages that hold tables of flags, as they ought to be."""
    resume = DOCS / "resume.md"
    before, rest = resume.read_text("utf-8").split(BEGIN)
    _, after = rest.split(END)
    return {DOCS / "flags.md": page(), resume: before + BEGIN + classes() + END + after}


if __name__ == "__main__":
    for path, text in written().items():
        path.write_text(text, "utf-8")
