"""What the documentation says about the tests is so: pytest tests/test_docs.py"""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_test_that_the_documentation_names_exists():
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "reliability.md").read_text()))
    sources = [path.read_text() for path in (ROOT / "tests").rglob("test_*.py")]
    defined = {name for source in sources for name in re.findall(r"^def (test_\w+)", source, re.MULTILINE)}
    assert len(named) > 40
    assert named <= defined, named - defined


def test_every_row_of_the_fault_table_is_there():
    rows = re.findall(r"^\| (F[\d, F]+) \|", (ROOT / "docs" / "reliability.md").read_text(), re.MULTILINE)
    assert {int(number) for row in rows for number in re.findall(r"\d+", row)} == set(range(1, 36)) - {14}
