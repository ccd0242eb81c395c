"""What a command says when something is amiss or takes long: pytest tests/test_rough_edges.py"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import spaces
from analysis.diagnostics.suspects import Found, weak
from search import rehearsal
from search.settings import trouble
from trainables.cli.execution import complain
from trainables.data import census

ROOT = Path(__file__).parents[1]
AT_THE_END = """
import atexit, runpy, sys
atexit.register(lambda: print("nanobind: leaked 4 instances!", file=sys.stderr))
sys.argv = ["analysis", *sys.argv[1:]]
runpy.run_module("analysis", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize(
    ("words", "code"), [(["leaderboard", "no_such_run"], 5), (["predict", "no_such_export", "x.png"], 5)]
)
def test_libraries_have_no_last_word(words, code, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", AT_THE_END, *words], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, len(done.stderr.splitlines())) == (code, 1), done.stderr


def test_lines_of_a_diff_keep_their_indentation(capsys):
    complain("run", "not the same search", 5, ["+    return  x", "-\treturn x", "a\x1b[2Jb\nc"])
    assert capsys.readouterr().err.splitlines()[1:] == ["  +    return  x", "  -   return x", "  a [2Jb c"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("my run", ": a space is none of these"), ("a,b", ": ',' is none of these"), ("ä", ": 'ä' is none of these"),
        ("x" * 70, ": it has 70 characters"), ("-x", ": it begins with '-'"), ("", ""),
    ],
)  # fmt: skip
def test_the_refusal_of_a_name_says_what_is_wrong_with_it(name, told):
    assert trouble(name) == told


@pytest.mark.parametrize(
    ("number", "how", "told"),
    [(1, "crop", "1 of 9 images is not square: it is cropped to its centre"), (1, "pad", "1 of 9 images is not square: it is"),
     (2, "crop", "2 of 9 images are not square: they are cropped to their centre")],
)  # fmt: skip
def test_one_image_is_and_two_are(number, how, told):
    assert census.reshaped({"oblong": number, "counts": {"train": [9]}, "resize": how}).startswith(told)


def test_what_two_weak_networks_agree_on_is_said_to_be_little():
    assert "most of what is listed" in weak(Found([], 2, 4, 210, 0.4))
    assert weak(Found([], 2, 4, 210, 0.99)) and weak(Found([], 10, 20, 210, 0.6))
    assert weak(Found([], 3, 6, 210, 0.9)) == ""


def test_parts_that_nobody_had_time_to_try_are_named_and_refuse_nothing(monkeypatch, tmp_path):
    (tmp_path / "slow_search.py").write_text(
        '"""Mine."""\nfrom torch import nn\nfrom spaces import Space, choice\n\n\nclass Net(nn.Module):\n'
        "    def __init__(self, classes: int, channels: int = 4) -> None:\n        super().__init__()\n\n\n"
        'SPACE = Space(params={"model": Net, "channels": choice(4, 8)}, baseline={"channels": 4}, epochs=1)\n'
    )

    def late(module, asked, place, what):
        raise subprocess.TimeoutExpired(module, 1)

    monkeypatch.setattr(rehearsal, "answered", late)
    found, said = spaces.find(str(tmp_path / "slow_search.py")), []
    (line,) = rehearsal.rehearse(found.space, 3, found.code.origin, say=said.append)
    assert line.startswith("slow_search.py:Net: not fully checked") and "smaller" not in line
    assert said == ["slow_search.py:Net on two batches"]
