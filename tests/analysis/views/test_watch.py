"""A run watched from another terminal."""

import io

import pytest
from rich.console import Console

from analysis.views import watch
from search.run import lock
from search.terminal import display


def printed(folder) -> str:
    console = Console(file=io.StringIO(), width=120)
    watch.watch(folder, console)
    return console.file.getvalue()


def stop():
    raise InterruptedError


def test_off_a_terminal_the_table_is_printed_once(run, trial, save, tmp_path):
    going = [trial(0, (0.5, 0.8), epochs=2), trial(1, (0.6,), "running", epochs=2), trial(2, (), "planned", epochs=2)]
    folder = save(tmp_path / "run", run(going))
    with lock.hold(folder):
        text = printed(folder)
    assert "80.00 %" in text
    assert "running" in text
    assert text.splitlines()[-1].rstrip() == "1/3 trials  3 epochs  best 80.00 % (lr=0.1)  training"


OVER = ("starting", "running", "images/s", "left")  # words for what goes on


@pytest.mark.parametrize("status", ["finished", "diverged", "failed", "stopped"])
def test_a_run_that_has_ended_has_ended(run, trial, save, tmp_path, status):
    text = printed(save(tmp_path / "run", run([trial(0, (0.5, 0.8), status), trial(1, (0.6,), "failed", lr=0.2)])))
    assert text.splitlines()[-1].rstrip().endswith(" ended")
    assert not any(word in text for word in OVER)


def test_a_run_that_nothing_trains_waits_and_the_command_that_goes_on_is_named(run, trial, save, tmp_path):
    """It was killed or interrupted: what its ledger calls running does not run."""
    folder = save(tmp_path / "run", run([trial(0, (0.5,), "running", epochs=2), trial(1, (), "planned", epochs=2)]))
    text = printed(folder)
    assert "waiting" in text
    assert f"nothing trains it now; to go on: python run_search.py --resume {folder}" in " ".join(text.split())
    assert not any(word in text for word in OVER)


def test_nothing_is_claimed_where_the_file_system_has_no_locks(run, trial, save, tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "held", lambda _: None)
    text = printed(save(tmp_path / "run", run([trial(0, (0.5,), "running", epochs=2)])))
    assert "nothing trains" not in text


def test_a_search_that_is_killed_while_it_is_watched_has_no_speed_any_more(run, trial, save, tmp_path, monkeypatch):
    folder = save(tmp_path / "run", run([trial(0, (0.5,), "running", epochs=9)]))
    ledger_file = next((folder / "trials").iterdir()) / "epochs.jsonl"
    lines = ["", '{"epoch": 2, "val_accuracy": 0.6}\n{"epoch": 3, "val_accuracy": 0.7}\n', ""]
    later = iter([True, True, False])  # whether a process holds it at each look
    monkeypatch.setattr(watch, "held", lambda _: next(later, False))

    def next_look(_):
        ledger_file.write_text(ledger_file.read_text() + lines.pop() if lines else stop())

    monkeypatch.setattr(watch.time, "sleep", next_look)
    shown = []
    monkeypatch.setattr(watch.display, "render", lambda progress, idle: shown.append(display.summary(progress, idle)))
    with pytest.raises(InterruptedError):
        watch.watch(folder, Console(file=io.StringIO(), width=120, force_terminal=True, _environ={}))
    assert "images/s" not in shown[-1]
    assert "nothing trains it now" in shown[-1]


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
    progress, _ = watch.seen(before)
    watch.update(progress, after, before)
    watch.update(progress, after, after)
    assert progress.trained == 2
    assert progress.trials[0].value == pytest.approx(0.7)
