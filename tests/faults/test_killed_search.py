"""Whole searches with Ray that are killed: once here, five times in tests/test_run_search.py, and again and again at random
moments in the long run, `python -m tests.faults`."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from itertools import repeat
from pathlib import Path

import pytest

from tests.waiting import a_while, until

ROOT = Path(__file__).parents[2]
FILES = ("results.md", "results.csv", "results.json", "trials.jsonl", "decisions.jsonl")
START = 8.0  # seconds: a signal may come while the command starts


class Command:
    """One search of 24 short trials in a folder of its own; the seed makes it another search."""

    def __init__(self, folder: Path, scheduler: str, seed: int) -> None:
        folder.mkdir(parents=True)
        (folder.parents[1] / "data-cache").mkdir(exist_ok=True)
        (folder / "data-cache").symlink_to(folder.parents[1] / "data-cache")
        self.folder, self.run = folder, folder / "runs" / "t"
        self.line = [
            sys.executable, ROOT / "run_search.py", "--space", "mlp_random", "--dataset", "digits", "--fraction", "0.5",
            "--epochs", "9", "--num-samples", "24", "--scheduler", scheduler, "--seed", str(seed), "--name", "t", "--quiet",
        ]  # fmt: skip

    def start(self) -> subprocess.Popen:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.Popen(
            self.line, cwd=self.folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    def ledgers(self) -> dict[str, bytes]:
        return {path.parent.name: path.read_bytes() for path in sorted(self.run.glob("trials/*/epochs.jsonl"))}

    def content(self) -> dict[str, bytes]:
        """Everything that must not differ from the search that was left alone."""
        found = {name: self.run / name for name in FILES}
        return self.ledgers() | {name: path.read_bytes() for name, path in found.items() if path.exists()}


@pytest.fixture
def chain(tmp_path, times, tally):
    """End searches by a signal at random moments, one search after the other, until it was done as often as asked."""

    def run_chain(variable: str, number: signal.Signals, what: str) -> list[tuple[int, float, str]]:
        wanted, dice, ends = times(variable, 0), random.Random(number), []
        if not wanted:
            pytest.skip("part of the long run: python -m tests.faults")
        for seed in range(10_000):
            scheduler = ("none", "sha")[seed % 2]
            whole = Command(tmp_path / f"{seed}" / "whole", scheduler, seed)
            (tmp_path / "data-cache").mkdir(exist_ok=True)
            finish(whole)
            ended = Command(tmp_path / f"{seed}" / "ended", scheduler, seed)
            while len(ends) < wanted and (end := end_once(ended, number, dice)):
                ends.append(end)
                tally(what, 1)
            finish(ended)
            assert ended.content() == whole.content()
            assert verified(ended.run)
            shutil.rmtree(tmp_path / f"{seed}")
            if len(ends) == wanted:
                break
        return ends

    return run_chain


@pytest.mark.slow
@pytest.mark.integration
def test_killed_once_a_search_goes_on_and_ends_in_the_same_bytes(search, whole_search, check):
    process = search.start()
    search.wait_for_rows(5, process)
    process.send_signal(signal.SIGKILL)
    search.end(process)
    assert process.returncode == -signal.SIGKILL, "it ended before it could be killed"
    before = search.rows()
    code, errors = search.done()
    assert code == 0, (errors, search.log())
    assert all(search.rows()[trial][: len(rows)] == rows for trial, rows in before.items()), "a committed row was lost"
    check(search)
    for name in ("results.md", "results.csv", "results.json", "trials.jsonl"):
        assert (search.run / name).read_bytes() == (whole_search.run / name).read_bytes(), name


@pytest.mark.slow
@pytest.mark.integration
def test_killed_once_a_search_in_folds_goes_on_and_ends_in_the_same_bytes(tmp_path):
    """With early stopping, and a confirmation on fresh folds."""
    more = ("--num-samples=5", "--epochs=4", "--folds=3", "--confirm=1", "--confirm-seeds=2")
    whole, ended = (Command(tmp_path / "0" / name, "sha", 0) for name in ("whole", "ended"))
    for search in (whole, ended):
        search.line += more
    finish(whole)
    process = ended.start()
    until(
        lambda: sum(map(bytes.count, ended.ledgers().values(), repeat(b"\n"))) > 8, lambda: process.poll() is not None
    )
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL, "it ended before it could be killed"
    finish(ended)
    assert ended.content() == whole.content()
    assert verified(ended.run)
    assert "Confirmed on fresh folds" in (ended.run / "results.md").read_text()


def end_once(search: Command, number: signal.Signals, dice: random.Random) -> tuple[int, float, str] | None:
    """Send the signal at some moment: exit code, seconds until it was gone and its last line; none if it was done before."""
    before, process = search.ledgers(), search.start()
    a_while(dice, search.run, lambda: process.poll() is not None, START)
    if process.poll() is None:
        sent = time.monotonic()
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
        took = time.monotonic() - sent
        after = search.ledgers()
        assert all(after.get(trial, b"").startswith(rows) for trial, rows in before.items()), "a committed row was lost"
        return process.returncode, took, err.strip().rpartition("\n")[2]
    assert process.returncode == 0
    process.communicate()
    return None


def finish(search: Command) -> None:
    process = search.start()
    _, err = process.communicate()
    assert process.returncode == 0, err


def verified(run: Path) -> bool:
    command = [sys.executable, "-m", "analysis", "verify", str(run)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 0


@pytest.mark.integration
@pytest.mark.slow
def test_killed_again_and_again_a_search_ends_as_if_it_never_was(chain):
    ends = chain("FAULT_SEARCH_KILLS", signal.SIGKILL, "kills of a search with Ray")
    assert {code for code, _, _ in ends} == {-signal.SIGKILL}


@pytest.mark.integration
@pytest.mark.slow
def test_terminated_again_and_again_a_search_stops_in_order_and_goes_on(chain, tally):
    """Also while Python or Ray start. A signal that comes before any handler is there ends the process as usual."""
    ends = chain("FAULT_SEARCH_TERMS", signal.SIGTERM, "SIGTERMs of a search with Ray")
    early = [end for end in ends if end[0] == -signal.SIGTERM]
    ordered = [end for end in ends if end not in early]
    assert not [end for end in ordered if end[0] != 143 or "continue with: python " not in end[2]]
    assert len(early) <= len(ends) // 4
    tally("seconds at most from SIGTERM to the exit, rounded up", int(max(took for _, took, _ in ordered)) + 1)
