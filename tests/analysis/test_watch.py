"""A run watched from another terminal."""

import io

import pytest
from rich.console import Console

from analysis import watch


def printed(folder) -> str:
    console = Console(file=io.StringIO(), width=120)
    watch.watch(folder, console)
    return console.file.getvalue()


def test_off_a_terminal_the_table_is_printed_once(run, trial, save, tmp_path):
    going = [trial(0, (0.5, 0.8), epochs=2), trial(1, (0.6,), "running", epochs=2), trial(2, (), "planned", epochs=2)]
    text = printed(save(tmp_path / "run", run(going)))
    assert "80.00 %" in text
    assert "running" in text
    assert "1/3 trials" in text


def test_a_terminal_is_left_when_the_run_is_complete(run, trial, save, tmp_path, monkeypatch):
    folder = save(tmp_path / "run", run([trial(0, (0.5,), "running", epochs=2)]))

    def search_goes_on(seconds):
        with (next((folder / "trials").iterdir()) / "epochs.jsonl").open("a") as ledger:
            ledger.write('{"epoch": 2, "val_accuracy": 0.75}\n{"outcome": "finished"}\n')

    monkeypatch.setattr(watch.time, "sleep", search_goes_on)
    console = Console(file=io.StringIO(), width=120, force_terminal=True, _environ={})
    watch.watch(folder, console)
    assert "75.00 %" in console.file.getvalue()
    assert "finished" in console.file.getvalue()


def test_each_row_is_counted_once(run, trial):
    before = run([trial(0, (0.5,), "running", epochs=9)])
    after = run([trial(0, (0.5, 0.7, 0.6), "running", epochs=9)])
    progress = watch.seen(before)
    watch.update(progress, after, before)
    watch.update(progress, after, after)
    assert progress.trained == 2
    assert progress.trials[0].best == pytest.approx(0.7)
