"""The examples in the documentation are what their ledgers say: pytest tests/test_examples.py"""

import re
from pathlib import Path

import pytest

from analysis import results
from search import ledger

EXAMPLES = sorted((Path(__file__).parent.parent / "docs" / "examples").glob("*/run.json"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_the_committed_leaderboard_is_rendered_from_the_ledger_beside_it(path):
    run = ledger.read(path.parent)
    assert results.render(run, results.rank(run)) == (path.parent / "results.md").read_text()


def test_there_are_examples():
    assert len(EXAMPLES) >= 2


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_every_link_of_an_example_leads_somewhere(path):
    text = (path.parent / "results.md").read_text()
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert links
    assert [link for link in links if not (path.parent / link).exists()] == []
