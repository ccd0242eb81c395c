"""The user's notes as HTML that can do nothing, whatever they hold."""

from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.render.notes import rendered

HARMLESS = {
    "p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "code", "pre", "strong", "em", "a", "table", "thead", "tbody",
    "tr", "th", "td", "blockquote", "hr", "br", "img", "details", "summary",
}  # fmt: skip


class Tags(HTMLParser):
    """Every tag with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def is_harmless(text: str) -> bool:
    for tag, attributes in Tags(text).found:
        link = attributes.get("href") or ""
        if tag not in HARMLESS or any(name.startswith("on") or name == "style" for name in attributes):
            return False
        if link.lower().startswith(("javascript:", "vbscript:", "data:", "file:")):
            return False
        if tag == "img" and not (attributes["src"] or "").startswith("data:image/svg+xml;base64,"):
            return False
    return True


EVIL = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "![x](http://example.org/pixel.png)",
    "![x](plots/../../secret.svg)",
    "<details><summary><b onclick=alert(1)>x</b></summary>",
    "<details open ontoggle=alert(1)>\n<summary>x</summary>",
    "text <svg/onload=alert(1)> text",
    "<style>* { display: none }</style>",
    "<!-- --><script>alert(1)</script>",
    "<!--\n<script>\n-->\n<iframe src=http://example.org></iframe>",
    '<a href="http://example.org" onclick="x">',
    "[x]: javascript:alert(1)\n\n[x]",
    "<https://example.org>",
]


@pytest.mark.parametrize("text", EVIL)
def test_known_tricks_do_nothing(text: str, tmp_path: Path) -> None:
    assert is_harmless(rendered(text, tmp_path))


@given(st.text(st.characters(codec="utf-8") | st.sampled_from(list("<>&\"'|`[]()!#*_-\n ")), max_size=80))
def test_no_text_does_anything(text: str) -> None:
    assert is_harmless(rendered(text, Path("nowhere")))


def test_a_fold_stays_and_a_comment_goes(tmp_path: Path) -> None:
    text = "<!-- mine -->\n\n<details>\n<summary>More</summary>\n\ntext\n\n</details>\n"
    page = rendered(text, tmp_path)
    assert [tag for tag, _ in Tags(page).found] == ["details", "summary", "p"]
    assert "<summary>More</summary>" in page
    assert "mine" not in page


def test_numbers_stand_at_the_right(tmp_path: Path) -> None:
    assert '<td class="number">1</td>' in rendered("| n |\n|--:|\n| 1 |\n", tmp_path)


def test_a_line_break_breaks_the_line(tmp_path: Path) -> None:
    assert rendered("one<br>two <b>three</b>", tmp_path) == "<p>one<br>two &lt;b&gt;three&lt;/b&gt;</p>\n"


def test_a_plot_of_the_run_is_part_of_the_page(tmp_path: Path) -> None:
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "a.svg").write_text("<svg/>")
    assert 'src="data:image/svg+xml;base64,PHN2Zy8+"' in rendered("![curve](plots/a.svg)", tmp_path)
    assert rendered("![no such](plots/b.svg)", tmp_path) == "<p>no such</p>\n"
