"""The excerpts in docs/analysis.md are what the commands print."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
from PIL import Image

import run_search
from analysis.__main__ import app
from analysis.export import model_card
from trainables.cli.execution import execute

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "analysis.md").read_text()
BLOCKS = re.findall(r"```console\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture
def place(trained_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the commands run: a copy of the examples, an image, and a small real run under runs/."""
    shutil.copytree(ROOT / "docs" / "examples", tmp_path / "docs" / "examples")
    Image.new("RGB", (40, 40), "white").save(tmp_path / "one.png")
    monkeypatch.chdir(tmp_path)


def call(command: str) -> int:
    words = shlex.split(command)
    if words[:2] == ["python", "run_search.py"]:
        return execute(run_search.app, "python run_search.py", words[2:])
    assert words[:3] == ["python", "-m", "analysis"]
    return execute(app, "python -m analysis", words[3:])


def pattern(excerpt: str) -> str:
    """... on a line of its own is any number of lines, elsewhere any rest of a line."""
    lines = [
        r"(?:.*\n)*?" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*") + r"\n"
        for line in excerpt.splitlines()
    ]
    return "".join(lines)


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: " ".join(block.split()[2:5]))
def test_the_excerpt_is_what_the_command_prints(block: str, capsys: pytest.CaptureFixture[str]) -> None:
    for command, excerpt in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
        assert call(command) == 0, capsys.readouterr().err
        out = capsys.readouterr().out
        assert re.fullmatch(pattern(excerpt), out), f"{command} printed:\n{out}"


def test_every_command_has_its_section() -> None:
    shown = [command for command in app.registered_commands if command.callback and not command.hidden]
    commands = {command.name or command.callback.__name__ for command in shown}
    assert commands >= {"leaderboard", "show", "compare", "export", "predict", "report", "verify"}
    sections = re.findall(r"^## (.*)$", TEXT, re.MULTILINE)
    other = (ROOT / "docs" / "integrations.md").read_text()
    assert [name for name in commands if not any(name in section for section in sections) and name not in other] == []


def test_the_ten_lines_are_those_of_the_card() -> None:
    assert f"```python\n{model_card.SNIPPET}\n```" in TEXT
