"""What the documentation says about the tests is so: pytest tests/test_docs.py"""

import json
import re
import runpy
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


def test_one_version_stands_everywhere():
    """cifar-search --version reads that of pyproject.toml."""
    (version,) = re.findall(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert re.findall(r"^version: (.*)", (ROOT / "CITATION.cff").read_text(), re.MULTILINE) == [version]
    assert re.findall(r"^## ([\d.]+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[0] == version


def test_the_tour_is_a_recording_of_its_steps_without_a_path_of_the_machine():
    header, *entries = map(json.loads, (ROOT / "docs" / "tour.cast").read_text().splitlines())
    assert header["version"] == 2
    seconds = [second for second, kind, _ in entries if kind == "o"]
    assert seconds == sorted(seconds)
    assert 60 <= seconds[-1] <= 180
    shown = "".join(text for *_, text in entries)
    assert [
        command for _, command, _ in runpy.run_path(str(ROOT / "docs" / "tour.py"))["STEPS"] if command not in shown
    ] == []
    assert re.findall(r"(?<![\w./])/(?:tmp|home|root|work|opt|usr|var)\b", shown) == []
    assert "error[" not in shown


def test_the_site_has_its_style():
    """The first line of exclude_docs excludes all files, those of the theme too; mkdocs --strict says nothing of that."""
    config = (ROOT / "docs" / "mkdocs.yml").read_text()
    for folder in ("css", "js", "img"):
        assert f"\n  !/{folder}/\n  !/{folder}/**\n" in config
        assert not (ROOT / folder).exists(), "it would be shown as a page"
    for style in re.findall(r"^  - (.*\.css)$", config, re.MULTILINE):
        assert (ROOT / style).is_file()
