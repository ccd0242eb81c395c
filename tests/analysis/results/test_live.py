"""The results while a search runs: written soon after a trial ends, never twice at once, and a fault does not end the search."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from analysis.results import files, live
from analysis.results.live import Live
from search.run.ledger import Run, Trial
from trainables.errors import StorageError


@pytest.fixture
def folder(
    rates: Callable[[], list[Trial]], run: Callable[..., Run], save: Callable[[Path, Run], Path], tmp_path: Path
) -> Path:
    return save(tmp_path / "runs" / "one", run(rates(), total=4))


@pytest.fixture
def started(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Live]:
    monkeypatch.setattr(live, "NEEDED", ("analysis.results.files",))
    one = Live(folder, tmp_path / "results.md")
    yield one
    one.close()


def test_the_results_are_there_before_the_search_is_over(
    started: Live, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = threading.Event()
    whole = started._write
    monkeypatch.setattr(started, "_write", lambda: (whole(), written.set()))
    started.trial_ended()
    assert written.wait(30)
    assert "Incomplete: 3 of 4 trials ended" in (folder / "results.md").read_text()
    assert started.copy.exists()


def test_many_endings_during_one_writing_are_one_more(started: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "REST", 0)
    writing, go_on, twice, times = threading.Event(), threading.Event(), threading.Event(), []

    def slow() -> None:
        times.append(1)
        writing.set()
        go_on.wait(30)
        if len(times) == 2:
            twice.set()

    monkeypatch.setattr(started, "_write", slow)
    started.trial_ended()
    assert writing.wait(30)
    for _ in range(5):
        started.trial_ended()
    go_on.set()
    assert twice.wait(30)
    started.close()
    assert len(times) == 2


def test_a_signal_while_it_is_closed_waits_for_the_writing_all_the_same(
    started: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, go_on = threading.Event(), threading.Event()
    monkeypatch.setattr(started, "_write", lambda: (writing.set(), go_on.wait(30)))
    started.trial_ended()
    assert writing.wait(30)
    before = signal.signal(signal.SIGUSR1, signal.default_int_handler)
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGUSR1)).start()
    threading.Timer(0.6, go_on.set).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            started.close()
        assert go_on.is_set()
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_full_disk_does_not_end_the_search(started: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[Path] = []

    def full(folder: Path) -> None:
        tried.append(folder)
        raise StorageError("full")

    monkeypatch.setattr(files, "write_results", full)
    started._write()
    assert tried == [started.run]


def test_closing_without_any_ending_waits_for_nothing(started: Live) -> None:
    started.close()
    assert not started._thread.ident
