"""Foreign text stays text: no markup, no link, no new cell. Numbers read well."""

from typing import Any

import pytest
import tabulate as tables
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from analysis.render import markdown
from analysis.render.markdown import table

NASTY = (
    "a|b",
    "a\nb",
    "`code`",
    "<script>alert(1)</script>",
    "[x](javascript:alert(1))",
    "![](http://example.org/a.png)",
    "&#42;",
    "\x1b[31mred\x1b[0m",
    "\u202egnp.exe",
    "=1+1",
    "*bold* _italic_ __init__ ~~gone~~",
    "# heading",
    "\\|",
    "\ud800",
    "x" * 500,
)


def cells(text: str) -> list[list[Token]]:
    """The inline tokens of each cell of a table, in order."""
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    assert {token.type.split("_")[0] for token in tokens} <= {"table", "thead", "tbody", "tr", "th", "td", "inline"}
    return [token.children or [] for token in tokens if token.type == "inline"]


def visible(value: object) -> str:
    text = markdown.one_line(value)
    return text if len(text) <= markdown.LONGEST else text[: markdown.LONGEST - 1] + "…"


@given(st.lists(st.text(st.characters(codec=None)) | st.sampled_from(NASTY), min_size=1, max_size=6))
def test_any_text_stays_in_its_cell(texts: list[str]) -> None:
    """A row of foreign texts has as many cells as texts, each with nothing but its text."""
    row = [markdown.escape(text) for text in texts]
    found = cells(markdown.table(["h"] * len(row), [row], "l" * len(row)))
    assert len(found) == 2 * len(texts)
    for text, tokens in zip(texts, found[len(texts) :], strict=True):
        assert {token.type for token in tokens} <= {"text", "text_special"}
        assert "".join(token.content for token in tokens) == visible(text)


@given(st.text(st.characters(codec=None)))
def test_escaped_text_has_no_control_character_and_no_address(text: str) -> None:
    """Neither a terminal nor GitHub's automatic links can be reached through it."""
    escaped = markdown.escape(f"{text} http://example.org www.example.org {text}")
    assert all(character.isprintable() for character in escaped if character != "\u3000")
    assert "://" not in escaped
    assert "www." not in escaped.lower()
    escaped.encode()


def test_a_name_with_underscores_reads_as_it_is() -> None:
    assert markdown.escape("weight_decay") == "weight_decay"


def test_marks_of_direction_vanish_and_line_breaks_part_words() -> None:
    assert markdown.one_line("a\u202eb\nc\x1b[0m") == "ab c [0m"


def test_long_text_is_cut() -> None:
    assert len(markdown.escape("x" * 500)) == markdown.LONGEST


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.032, "3.2e-2"),
        (1e-3, "1.0e-3"),
        (5e-4, "5.0e-4"),
        (0.00125, "1.25e-3"),
        (0.0316227766, "3.2e-2"),
        (1, "1.0e0"),
        (0, "0"),
    ],
)
def test_rates_are_powers_of_ten(value: float, expected: str) -> None:
    assert markdown.rate(value) == expected


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("lr", 0.0005, "5.0e-4"),
        ("dropout", 0.25, "0.25"),
        ("dropout", 0.123456, "0.123"),
        ("depth", 3, "3"),
        ("model", "mlp", "mlp"),
        ("depth", None, "–"),
    ],
)
def test_settings_read_well(key: str, value: Any, expected: str) -> None:
    assert markdown.setting(key, value) == expected


def test_accuracy_has_two_decimals() -> None:
    assert markdown.percent(298 / 300) == "99.33"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no file /home/ann/data/x.png", "no file x.png"),
        ("'/home/ann/x.py', line 3", "'x.py', line 3"),
        ("see https://example.org/a/b", "see https://example.org/a/b"),
        ("relative/path and 1/2", "relative/path and 1/2"),
    ],
)
def test_folders_of_absolute_paths_are_left_out(text: str, expected: str) -> None:
    assert markdown.without_folders(text) == expected


def test_a_table_is_as_wide_whatever_packages_are_there() -> None:
    """tabulate asks wcwidth, if that is installed, how wide a character is on a terminal."""
    rows = table(["class", "n"], [["\u732b", "1"], ["dog", "2"]], "lr").splitlines()
    assert {len(row) for row in rows} == {len(rows[0])}
    assert not tables.WIDE_CHARS_MODE


@pytest.mark.parametrize("text", ["a command", "`", "``a`", "a `b` c", "```", "folder:a`<script>"])
def test_a_span_of_code_shows_its_text_whatever_it_holds(text: str) -> None:
    (paragraph,) = [token for token in MarkdownIt().parse(markdown.code(text)) if token.type == "inline"]
    assert [(token.type, token.content) for token in paragraph.children] == [("code_inline", text)]


def test_a_decimal_number_begins_no_list():
    assert markdown.line("56.36 % of them") == "56.36 % of them"
    assert markdown.line("7)a") == "7)a"
    assert [markdown.line(text) for text in ("1. a", "1) a", "12.")] == [r"1\. a", r"1\) a", r"12\."]
