"""The recipes beside the code, followed to the letter in a copy: pytest tests/test_recipes.py"""

import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RECIPES = (
    "trainables/data/sources/README.md",
    "trainables/models/README.md",
    "analysis/mirrors/README.md",
    "analysis/results/sections/README.md",
    "search/terminal/README.md",
)
RUN = "mlp_random-full"
BLOCK = re.compile(r"^ *```(python|diff)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
RENDER = f"""
from pathlib import Path; from analysis.results import page; from search.run import ledger
print(page.render(ledger.read(Path("runs/{RUN}"))))
"""
MIRRORED = f"""
from dataclasses import replace
from pathlib import Path
import spaces
from search.records import Identity
from search.run import identity, ledger
from search.settings import Settings
recorded, given = ledger.read_identity(Path("runs/{RUN}")), spaces.find("mlp_random")
facts = dict(space_name="mlp_random", space=given.space, dataset="digits", dataset_short="digits", fallback=None)
settings = Settings(**facts, cache=Path(), algorithm="random", scheduler="none", mirrored=True)
asked = replace(recorded, mirrored=identity.describe(settings, None, False).mirrored)
print(asked.flags()["mirrored"])
print(Identity.read(asked.record(), "run.json").mirrored)
print(*(recorded.sentence(key, value) for key, value in recorded.differences(asked).items()))
"""
Run = Callable[..., str]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for package in ("trainables", "spaces", "search", "analysis"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "docs" / "examples" / RUN, tmp_path / "runs" / RUN)
    return tmp_path


@pytest.fixture
def python(copy: Path) -> Run:
    """What Python prints, run in the copy."""

    def called(*words: str) -> str:
        return subprocess.run([sys.executable, *words], cwd=copy, capture_output=True, text=True, check=True).stdout

    return called


def follow(recipe: str, copy: Path) -> None:
    """Do what the blocks of a recipe say: `python` is a new file, `diff` adds lines below a line that is there once."""
    for kind, block in BLOCK.findall((ROOT / recipe).read_text()):
        head, _, content = textwrap.dedent(block).partition("\n")
        path = copy / head.removeprefix("# ")
        if kind == "python":
            assert not path.exists()
            path.write_text(content)
        else:
            path.write_text(patched(path.read_text(), content.splitlines()))


def patched(text: str, lines: list[str]) -> str:
    """The text with each line that begins with + below the line before it."""
    above = ""
    for mark, line in ((line[0], f"{line[1:]}\n") for line in lines):
        if mark == "+":
            text = text.replace(above, above + line)
        else:
            assert text.count(line) == 1, line
        above = line
    return text


def test_a_data_set(copy: Path, python: Run) -> None:
    follow("trainables/data/sources/README.md", copy)
    told = python("-m", "trainables.data", "squares")
    assert told.startswith("squares: 90 train, 10 val, 20 test, 2 classes, fingerprint ")
    code = "from search.terminal import completion; print(completion.datasets())"
    assert "'squares'" in python("-c", code)


@pytest.mark.slow
def test_a_model(copy: Path, python: Run) -> None:
    """Its flag, its training, its suite and its size, from one file."""
    follow("trainables/models/README.md", copy)
    assert "--cells <int>" in python("-m", "trainables", "--help")
    code = "from trainables.models import cost; print(cost.of({'model': 'linear', 'cells': 2, 'dropout': 0.0}, 10))"
    assert python("-c", code) == "Cost(parameters=130, flops=240)\n"
    shutil.copytree(ROOT / "tests", copy / "tests", ignore=shutil.ignore_patterns("fixtures", "__pycache__"))
    suite = "tests/trainables/parts/test_every_part.py"
    assert " passed" in python("-m", "pytest", "-q", "-n0", "-k", "linear", "--import-mode=importlib", suite)


def test_a_mirror(copy: Path, python: Run) -> None:
    follow("analysis/mirrors/README.md", copy)
    python("-m", "analysis", "mirror", RUN, "--to", "lines")
    lines = (copy / "runs" / RUN / "lines.txt").read_text().splitlines()
    assert len(lines) == 16
    assert lines[0].endswith(" finished 9 epochs")


def test_a_section_of_results(copy: Path, python: Run) -> None:
    follow("analysis/results/sections/README.md", copy)
    text = python("-c", RENDER)
    assert re.search(r"^## Longest training\n\nTrial \w{6} trained for 9 epochs\.$", text, re.MULTILINE)


def test_a_flag(copy: Path, python: Run) -> None:
    """In the help, in the tables, in run.json, in the differences, and read back for --resume."""
    shutil.copy(ROOT / "run_search.py", copy)
    shutil.copytree(ROOT / "docs", copy / "docs", ignore=shutil.ignore_patterns("examples", "pictures"))
    follow("search/terminal/README.md", copy)
    assert "--mirrored" in python("run_search.py", "--help")
    python("-m", "search.terminal.reference")
    row = next(line for line in (copy / "docs/flags.md").read_text().splitlines() if "--mirrored" in line)
    assert row.endswith("| show every image in a mirror | identity |")
    found = [word.strip() for word in python("-c", MIRRORED).splitlines()]
    assert found == ["True", "True", "mirrored: none is now true"]


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_file_that_a_recipe_names_is_there(recipe: str) -> None:
    text = (ROOT / recipe).read_text()
    links = re.findall(r"\]\(([^)]+)\)", text)
    named = re.findall(r"`((?:trainables|search|analysis|tests|docs)/[\w/]+\.\w+)", text)
    assert links or named
    assert [link for link in links if not (ROOT / recipe).parent.joinpath(link).exists()] == []
    assert [name for name in named if not (ROOT / name).exists()] == []
