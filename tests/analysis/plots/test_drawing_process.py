"""Plots drawn by another process: pytest tests/analysis/plots/test_drawing_process.py"""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from analysis.plots import drawing_process
from analysis.ranking.standing import stand
from analysis.results import files, freshness
from search.run import ledger

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "docs" / "examples" / "mlp_random-full"


@pytest.fixture
def run(tmp_path):
    """A run with six kinds of plots, without any."""
    shutil.copytree(EXAMPLE, tmp_path / EXAMPLE.name)
    shutil.rmtree(tmp_path / EXAMPLE.name / "plots")
    return ledger.read(tmp_path / EXAMPLE.name)


def drawn(run):
    return {path.name: path.read_bytes() for path in (run.folder / "plots").iterdir()}


def test_another_process_draws_the_same(run):
    with drawing_process.another_process() as ask:
        _, wait = ask(files.plots_of(run, stand(run)))
        assert wait() == 0
        theirs = drawn(run)
        shutil.rmtree(run.folder / "plots")
    files.write_files(run)
    assert drawn(run) == theirs
    assert len(theirs) == 6


@pytest.mark.slow
def test_what_another_process_has_drawn_is_not_drawn_again(run, monkeypatch):
    with drawing_process.another_process() as ask:
        monkeypatch.setattr(drawing_process, "draw", lambda *_: pytest.fail("drawn twice"))
        files.write_files(run, ask=ask)
    assert len(drawn(run)) == 6


@pytest.mark.slow
def test_a_process_that_cannot_draw_is_made_up_for(run, monkeypatch):
    monkeypatch.setattr(drawing_process.sys, "executable", "/bin/false")
    with drawing_process.another_process() as ask:
        files.write_files(run, ask=ask)
    assert len(drawn(run)) == 6


def test_a_process_that_nobody_asks_ends(run):
    with drawing_process.another_process():
        pass
    assert not (run.folder / "plots").exists()


@pytest.mark.parametrize(("trials", "is_started"), [(0, False), (999, False), (1000, True)])
def test_only_a_large_run_has_a_process_of_its_own(tmp_path, monkeypatch, trials, is_started):
    (tmp_path / "trials.jsonl").write_text("{}\n" * trials)
    started = []
    monkeypatch.setattr(drawing_process, "another_process", lambda: contextlib.nullcontext(started.append(1)))
    with drawing_process.for_one_of_many([tmp_path]):
        assert bool(started) == is_started
    with drawing_process.for_one_of_many([tmp_path, tmp_path]) as ask:
        assert ask is drawing_process.ask_nobody
    with drawing_process.for_one_of_many([tmp_path / "nowhere"]) as ask:
        assert ask is drawing_process.ask_nobody


DRAW = """
import sys
from pathlib import Path
from analysis.plots.drawing_process import Plot, write_all
axis = {"name": "accuracy", "is_percent": True, "is_less_better": False}
write_all([Plot(Path("plots/progress.svg"), "progress", {"points": [[1, 50.0], [2, 60.0]], "axis": axis})])
"""


def draw_elsewhere(folder, **environment):
    """A plot, in a process that has not loaded matplotlib yet."""
    return subprocess.run(
        [sys.executable, "-c", DRAW], cwd=folder, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "no such backend"])
def test_the_backend_of_a_notebook_is_none_of_ours(tmp_path, backend):
    done = draw_elsewhere(tmp_path, MPLBACKEND=backend)
    assert (done.returncode, done.stderr, (tmp_path / "plots/progress.svg").exists()) == (0, "", True)


def test_a_library_that_does_not_load_costs_plots_and_no_more(tmp_path):
    """matplotlib reads matplotlibrc from wherever one stands."""
    (tmp_path / "matplotlibrc").write_bytes(b"text.color: caf\xe9\n")
    done = draw_elsewhere(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "\nnote: not drawn: progress: the first one failed with: UnicodeDecodeError" in f"\n{done.stderr}"
    assert "Traceback" not in done.stderr


def test_a_plot_that_fails_is_a_note_and_leaves_no_older_one(run, monkeypatch, capsys):
    files.write_files(run)
    monkeypatch.setattr(drawing_process, "is_drawn", lambda *_: False)
    monkeypatch.setattr(drawing_process, "draw", lambda name, _: {"size": b"<svg/>"}[name])
    files.write_files(run)
    assert list(drawn(run)) == ["size.svg"]
    told = capsys.readouterr().err
    assert told.startswith("note: not drawn: parameters, ")
    assert told.count("\n") == 1


@pytest.mark.slow
def test_plots_that_have_no_folder_cost_no_results(run, capsys):
    (run.folder / "plots").write_text("")
    files.write_files(run)
    assert "note: not drawn: " in capsys.readouterr().err
    assert not files.is_stale(run)


def test_missing_plots_are_tried_again(run):
    """So the results do not count as complete."""
    (run.folder / freshness.FILE).unlink(missing_ok=True)
    freshness.put(run.folder, "a table")
    assert freshness.shown(run.folder) is None
    files.write_files(run)
    freshness.put(run.folder, "a table")
    assert freshness.shown(run.folder) == "a table"
