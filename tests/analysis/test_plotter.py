"""Plots drawn by another process: pytest tests/analysis/test_plotter.py"""

import contextlib
import shutil
from pathlib import Path

import pytest

from analysis import plotter, write
from analysis.standing import stand
from search import ledger

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "mlp_random-confirmed"


@pytest.fixture
def run(tmp_path):
    """A run with every kind of plot, without any."""
    shutil.copytree(EXAMPLE, tmp_path / EXAMPLE.name)
    shutil.rmtree(tmp_path / EXAMPLE.name / "plots")
    return ledger.read(tmp_path / EXAMPLE.name)


def drawn(run):
    return {path.name: path.read_bytes() for path in (run.folder / "plots").iterdir()}


def test_another_process_draws_the_same(run):
    with plotter.another_process() as ask:
        _, wait = ask(write.plots_of(run, stand(run)))
        assert wait() == 0
        theirs = drawn(run)
        shutil.rmtree(run.folder / "plots")
    write.write_files(run)
    assert drawn(run) == theirs
    assert len(theirs) == 6


def test_what_another_process_has_drawn_is_not_drawn_again(run, monkeypatch):
    with plotter.another_process() as ask:
        monkeypatch.setattr(plotter, "draw", lambda *_: pytest.fail("drawn twice"))
        write.write_files(run, ask=ask)
    assert len(drawn(run)) == 6


def test_a_process_that_cannot_draw_is_made_up_for(run, monkeypatch):
    monkeypatch.setattr(plotter.sys, "executable", "/bin/false")
    with plotter.another_process() as ask:
        write.write_files(run, ask=ask)
    assert len(drawn(run)) == 6


def test_a_process_that_nobody_asks_ends(run):
    with plotter.another_process():
        pass
    assert not (run.folder / "plots").exists()


@pytest.mark.parametrize(("trials", "is_started"), [(0, False), (999, False), (1000, True)])
def test_only_a_large_run_has_a_process_of_its_own(tmp_path, monkeypatch, trials, is_started):
    (tmp_path / "trials.jsonl").write_text("{}\n" * trials)
    started = []
    monkeypatch.setattr(plotter, "another_process", lambda: contextlib.nullcontext(started.append(1)))
    with plotter.for_one_of_many([tmp_path]):
        assert bool(started) == is_started
    with plotter.for_one_of_many([tmp_path, tmp_path]) as ask:
        assert ask is plotter.ask_nobody
    with plotter.for_one_of_many([tmp_path / "nowhere"]) as ask:
        assert ask is plotter.ask_nobody
