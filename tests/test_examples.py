"""The examples in the documentation are what their ledgers say: pytest tests/test_examples.py"""

import re
from pathlib import Path

import pytest

from analysis import report, results
from search import ledger

EXAMPLES = sorted((Path(__file__).parent.parent / "docs" / "examples").glob("*/run.json"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_the_committed_leaderboard_is_rendered_from_the_ledger_beside_it(path):
    run = ledger.read(path.parent)
    assert results.render(run) == (path.parent / "results.md").read_text()


def test_the_committed_report_is_made_from_the_ledger_beside_it():
    (committed,) = (Path(__file__).parent.parent / "docs" / "examples").glob("*/report.html")
    assert report.page(ledger.read(committed.parent)) == committed.read_text()


def test_there_are_examples():
    assert len(EXAMPLES) >= 2


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_every_link_of_an_example_leads_somewhere(path):
    text = (path.parent / "results.md").read_text()
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert links
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_the_numbers_in_the_readme_are_those_of_its_example():
    root = Path(__file__).parent.parent
    readme = (root / "README.md").read_text()
    (example,) = (root / "docs" / "examples").glob("lr_sweep-*/results.md")
    table = [line for line in example.read_text().splitlines() if re.match(r"\| +\d=? \| .*\]\(trials/", line)]
    assert len(table) == 3
    for line in table:
        cells = [re.sub(r"\[(\w+)\]\([^)]*\)", r"\1", cell).strip() for cell in line.strip("|").split("|")]
        assert any(all(cell in row for cell in cells) for row in readme.splitlines() if row.startswith("> |")), cells


@pytest.mark.parametrize("name", ["search.svg", "leaderboard.png"])
def test_the_pictures_of_the_readme_are_small_and_load_nothing(name):
    root = Path(__file__).parent.parent
    assert f"](docs/pictures/{name})" in (root / "README.md").read_text()
    content = (root / "docs" / "pictures" / name).read_bytes()
    assert 1_000 < len(content) < 200_000
    assert b"url(" not in content.replace(b"url(#", b"") or not name.endswith(".svg")


def test_every_link_between_the_pages_leads_somewhere():
    root = Path(__file__).parent.parent
    pages = [root / "README.md", root / "CONTRIBUTING.md", *(root / "docs").glob("*.md")]
    links = [(page, link) for page in pages for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())]
    assert len(links) > 40
    assert [(page.name, link) for page, link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_every_page_is_in_the_list_of_the_readme():
    root = Path(__file__).parent.parent
    listed = (root / "README.md").read_text().partition("## Documentation")[2].partition("## ")[0]
    assert [page.name for page in (root / "docs").glob("*.md") if f"](docs/{page.name})" not in listed] == []
