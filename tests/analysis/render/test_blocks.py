"""Each block has two renderings that say the same words, and whatever a text holds is only text in both."""

from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from analysis.plots.kinds import pictures
from analysis.ranking.standing import stand
from analysis.render import html, markdown
from analysis.render.blocks import (
    Block,
    Blocks,
    Bold,
    Break,
    Code,
    Commands,
    Details,
    Foreign,
    Heading,
    Items,
    Link,
    Notes,
    Paragraph,
    Plot,
    Quote,
    Table,
    Words,
    join,
    without_links,
)
from analysis.render.markdown import plain
from analysis.report import html_page
from analysis.results import page as results
from analysis.results.sections.explanation import behind
from search.run import ledger
from search.run.ledger import Run

ROOT = Path(__file__).parents[3]
RUNS = sorted(
    path.parent for place in ("docs/examples", "tests/fixtures/runs") for path in ROOT.glob(f"{place}/*/run.json")
)
NOWHERE = Path("nowhere")


class Seen(HTMLParser):
    """Tags with the attributes that do something, and the words that a reader sees: a plot is its description."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if tag == "img":
            self.text += f" {known['alt']} "
        else:
            self.tags.append((tag, tuple(sorted(known.keys() - {"class", "style"}))))
            self.text += " " if tag == "br" else ""

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("strong", "a", "code"):
            self.text += " "

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def words(self) -> list[str]:
        return self.text.split()


def from_markdown(blocks: Blocks) -> Seen:
    """As a reader of results.md sees them."""
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    return Seen(parser.render(markdown.rendered(blocks)))


def from_html(blocks: Blocks) -> Seen:
    """As a reader of report.html sees them."""
    return Seen(html.rendered(blocks, NOWHERE))


KINDS: dict[str, Callable[[str, str], Block]] = {
    "heading": lambda one, other: Heading((Foreign(other), " ", one)),
    "paragraph": lambda one, other: Paragraph((one, " ", Bold((Foreign(other), one)), " ", Foreign(other))),
    "bold": lambda one, other: Paragraph((Bold(one), " ", Bold(Foreign(other)))),
    "code": lambda one, other: Paragraph((Foreign(one), " ", Code(other), " ", one)),
    "link": lambda one, other: Paragraph(Link((one, Foreign(other)), f"trials/{other}")),
    "quote": lambda one, other: Quote((one, other)),
    "foreign quote": lambda one, other: Quote((Foreign(one), " ", other)),
    "items": lambda one, other: Items((one, (Foreign(other), Break(), Code(one)), ("⚠ ", other))),
    "table": lambda one, other: Table((one, "n"), ((Foreign(other), Bold(one)), (Link(other, other), other)), "lr"),
    "commands": lambda one, other: Commands((one, other)),
    "plot": lambda one, other: Plot(one, other),
    "details": lambda one, other: Details(one, (Paragraph(other), Items((Foreign(one),)))),
}  # fmt: skip


def texts_of(value: Any) -> Iterator[str]:
    """All words of a block as they are read."""
    if isinstance(value, Details):
        yield plain(value.summary)
        for block in value.blocks:
            yield from texts_of(block)
    elif isinstance(value, Plot):
        yield plain(value.title)
    elif isinstance(value, Items | Commands):
        yield from map(plain, value.items if isinstance(value, Items) else value.lines)
    elif isinstance(value, Table):
        yield from (plain(words) for row in (value.header, *value.rows) for words in row)
    else:
        yield plain(value.words)


letters = st.characters(codec=None) | st.sampled_from(list("<>&\"'|`[]()!#*_~$@\\-+=.:/ 1\n"))
texts = st.text(letters, min_size=1, max_size=40).filter(lambda text: plain(text).strip())


@pytest.mark.parametrize("kind", KINDS)
@given(one=texts, other=texts)
@example(one="- x", other="# x")
@example(one="1. <script>x</script>", other="```")
@example(one="---", other="![x](http://example.org)")
@example(one="<!--", other="--> </details><img src=x onerror=x>")
@example(one="> x", other="\\")
@example(one="~~x~~ #", other="a|b\n|-|")
def test_any_text_in_any_block_is_only_text(kind: str, one: str, other: str) -> None:
    """In both renderings: the words are those of the texts, and the tags those of the same block with calm texts."""
    block, calm = (KINDS[kind](*each) for each in ((one, other), ("x", "y")))
    for seen in (from_markdown, from_html):
        found = seen((block,))
        assert found.words == " ".join(texts_of(block)).split()
        assert found.tags == seen((calm,)).tags


def test_a_text_has_no_address_that_becomes_a_link() -> None:
    assert "://" not in markdown.inline("see http://example.org")
    assert "www." not in markdown.inline("see www.example.org")


def test_our_own_words_read_well_in_the_file_itself() -> None:
    """Marks that do nothing by themselves are not escaped."""
    text = "p (exact): <0.001, 5 % of #1 = 1 & more!"
    assert markdown.inline(text) == text.replace("#1", "\\#1").replace("&", "&amp;").replace("!", "\\!")
    assert markdown.inline("weight_decay (a - b) ≥ 3; #") == "weight_decay (a - b) ≥ 3; #"


def test_the_notes_are_the_only_markdown() -> None:
    """A paragraph shows the same text with its marks."""
    text = "*mine* and `more`"
    assert [tag for tag, _ in from_html((Notes(text),)).tags] == ["p", "em", "code"]
    for seen in (from_markdown, from_html):
        assert seen((Paragraph(text),)).words == text.split()


def test_a_plot_of_the_run_is_part_of_the_page_and_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "plots").mkdir()
    (tmp_path / "secret.svg").write_text("<svg/>")
    (tmp_path / "plots" / "a.svg").write_text("<svg/>")
    assert 'src="data:image/svg+xml;base64,PHN2Zy8+"' in html.rendered((Plot("a", "curve"),), tmp_path)
    for name in ("b", "../secret"):
        assert html.rendered((Plot(name, "<b>"),), tmp_path) == "<p>&lt;b&gt;</p>"


def test_numbers_stand_at_the_right() -> None:
    assert '<td class="number">1</td>' in html.rendered((Table(("n",), (("1",),), "r"),), NOWHERE)


def test_what_is_empty_is_not_joined() -> None:
    assert plain(join(", ", ["a", "", (), "b"])) == "a, b"


def test_a_terminal_has_no_links() -> None:
    row: tuple[Words, ...] = ((Link(Foreign("7f3a9c"), "trials/0"), " (baseline)"),)
    assert "](" not in markdown.rendered(without_links((Table(("id",), (row,), "l"),)))


# All sections of all examples -------------------------------------------------------------------------------------------


def page_of(run: Run) -> results.Page:
    where = stand(run)
    return results.page(run, where, pictures(run, where))


@pytest.mark.parametrize("folder", RUNS, ids=lambda folder: folder.name)
def test_each_section_says_the_same_words_in_both(folder: Path) -> None:
    page = page_of(ledger.read(folder))
    for block in page.above + page.board + page.below:
        assert from_markdown((block,)).words == from_html((block,)).words == " ".join(texts_of(block)).split()
        assert [tag for tag, _ in from_markdown((block,)).tags] == [tag for tag, _ in from_html((block,)).tags]


@pytest.mark.parametrize("folder", RUNS, ids=lambda folder: folder.name)
def test_the_report_says_all_of_it_but_what_its_own_table_says(folder: Path) -> None:
    run = ledger.read(folder)
    page, meaning = page_of(run), results.meaning(run, stand(run))
    shown = " ".join(Seen(html_page.page(run)).words)
    for text in (text for block in page.above + page.below for text in texts_of(block)):
        assert " ".join(text.split()) in shown
    differences = f" {behind(run.identity.objective)}"  # a column that only results.md has, as p and place
    texts = {about: " ".join(plain(words).split()).replace(differences, "") for about, words in meaning.items()}
    assert {about for about, text in texts.items() if text in shown} == meaning.keys() - {"p", "place"}
    assert differences not in shown
