"""The recipes of search/stopping/README.md and search/algorithms/README.md, followed in a copy of the sources."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOY_RULE = """
from search.stopping.base import Arriving, milestones

class Toy(Arriving):
    def rungs(self, scheduler, epochs):
        return milestones(scheduler["grace_period"], scheduler["reduction_factor"], epochs)

    def judge(self, scheduler, before, curve):
        bar = max(before, default=None)
        return bar is not None and curve[-1] < bar, bar

RULE = Toy()
"""
TOY_ALGORITHM = """
from search.algorithms.random import Random

class Toy(Random):
    pass

ALGORITHM = Toy()
"""
RECIPES = [
    ("stopping", TOY_RULE, "spaces/_scheduler.py", '    "none": "",\n', '    "toy": "",\n'),
    (
        "algorithms",
        TOY_ALGORITHM,
        "search/algorithms/table.py",
        'ALGORITHMS = ("grid",',
        'ALGORITHMS = ("toy", "grid",',
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("family", "source", "table", "place", "line"), RECIPES, ids=["stopping", "algorithms"])
def test_one_file_and_one_line_make_a_new_one(family, source, table, place, line, tmp_path):
    for folder in ("search", "spaces", "trainables", "analysis", "docs", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("fixtures", "__pycache__"))
    shutil.copy(ROOT / "run_search.py", tmp_path)
    (tmp_path / "search" / family / "toy.py").write_text(source)
    text = (tmp_path / table).read_text()
    assert place in text
    (tmp_path / table).write_text(text.replace(place, line if place.startswith("ALG") else line + place))
    suite = f"tests/search/{family}/test_conformance.py"
    tested = here(tmp_path, "-m", "pytest", "-q", "-n0", "-k", "toy", "--import-mode=importlib", suite)
    assert " passed" in tested, tested
    assert "toy" in here(tmp_path, "run_search.py", "--help")


def here(folder, *words):
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
