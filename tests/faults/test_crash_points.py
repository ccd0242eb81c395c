"""SIGKILL before every single system call of every durable write: old or new, never torn, and it goes on.

strace kills the victim when it enters its Nth call of a kind; N counts up until the victim survives, so no point is missed.
"""

import itertools
import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from trainables.errors import RunError
from trainables.files import durable

CALLS = ("openat", "write", "pwrite64", "ftruncate", "fsync", "rename", "unlink", "close", "mkdir")
CHANGING = ("pwrite64", "fsync", "rename", "unlink")  # before any other call the folder is as before one of these

Place = Callable[[str], Path]  # a fresh folder for each crash point


@pytest.fixture
def crash(traced, tally, memory):
    """Kill an action at every point, let `check` look at each folder that is left, and count the points."""

    def kill_everywhere(action, prepare, check, *arguments, calls=CALLS) -> int:
        points = 0
        for call in calls:
            for number in itertools.count(1):
                folder = memory / f"{call}-{number}"
                prepare(folder)
                end = traced(call, f"{call}:signal=KILL:when={number}", action, folder, *arguments)
                if end.code == 0:
                    break
                assert end.code == -signal.SIGKILL, end
                check(folder)
                shutil.rmtree(folder)
                points += 1
        tally("crash points", points)
        return points

    return kill_everywhere


def goes_on(victims, action: str, folder: Path) -> None:
    """What a killed process left is swept, and the same action succeeds."""
    durable.sweep(folder)
    assert not list(folder.glob(".*"))
    assert victims.run(action, folder) == 0


@pytest.mark.parametrize("old", [None, b'{"schema": 1}'])
def test_run_json_is_old_or_new(crash, victims, old):
    def prepare(folder):
        folder.mkdir()
        if old:
            (folder / "run.json").write_bytes(old)

    def check(folder):
        path = folder / "run.json"
        assert not path.exists() if old is None and not path.exists() else durable.read_json(path)["schema"] in (1, 2)
        assert old is not None or not path.exists() or durable.read_json(path)["schema"] == 2
        goes_on(victims, "run_json", folder)
        assert len(durable.read_json(path)["text"]) == 15_000

    points = crash("run_json", prepare, check)
    assert points >= 8


@pytest.mark.parametrize(
    ("old", "torn"), [(None, b""), (b"", b""), (b'{"epoch": 1}\n', b""), (b'{"epoch": 1}\n{"epoch": 2}\n', b'{"epo')]
)
def test_a_ledger_has_the_line_or_has_it_not(crash, victims, old, torn):
    before = len((old or b"").splitlines())

    def prepare(folder):
        folder.mkdir()
        if old is not None:
            (folder / "epochs.jsonl").write_bytes(old + torn)

    def check(folder):
        path = folder / "epochs.jsonl"
        there = len(durable.read_lines(path))
        assert there in (before, before + 1)
        goes_on(victims, "line", folder)
        assert [row["epoch"] for row in durable.read_lines(path)] == list(range(1, there + 2))

    points = crash("line", prepare, check)
    assert points >= 5


@pytest.mark.parametrize("again", [False, True])
def test_a_state_is_whole_or_does_not_count_and_the_one_before_it_stays(crash, victims, again):
    def prepare(folder):
        folder.mkdir()
        durable.write_checked(folder / "state-000001.pt", b"first", epoch=1, trial="abcdef")
        if again:  # as after a damage: the same epoch is saved once more
            durable.write_checked(folder / "state-000002.pt", b"old", epoch=2, trial="abcdef")

    def check(folder):
        assert durable.read_checked(folder / "state-000001.pt") == b"first"
        assert read(folder / "state-000002.pt") in (b"new" * 100_000, b"old" if again else None, None)
        goes_on(victims, "state", folder)
        assert durable.read_checked(folder / "state-000002.pt") == b"new" * 100_000

    points = crash("state", prepare, check)
    assert points >= 16


def test_a_state_that_is_removed_is_whole_or_does_not_count(crash, victims):
    def prepare(folder):
        folder.mkdir()
        durable.write_checked(folder / "state-000002.pt", b"old", epoch=2, trial="abcdef")

    def check(folder):
        assert read(folder / "state-000002.pt") in (b"old", None)
        assert (folder / "state-000002.pt").exists() or not (folder / "state-000002.json").exists()
        goes_on(victims, "drop", folder)
        assert not list(folder.iterdir())

    points = crash("drop", prepare, check)
    assert points == 2


def read(path: Path) -> bytes | None:
    """What a reader would take for the state; none if it is refused."""
    try:
        return durable.read_checked(path)
    except RunError:
        return None


@pytest.mark.parametrize("taken", [0, 2])
def test_a_decision_is_written_down_or_was_never_taken(crash, victims, taken):
    lines = [
        {"sequence": number + 1, "trial": number, "epoch": 1, "value": 0.5, "cutoff": 0.5 if number else None,
         "decision": "continue"}
        for number in range(9)
    ]  # fmt: skip

    def prepare(folder):
        folder.mkdir()
        if taken:
            durable.append(folder / "decisions.jsonl", *lines[:taken])

    def check(folder):
        path = folder / "decisions.jsonl"
        there = len(durable.read_lines(path))
        assert there in (taken, taken + 1)
        goes_on(victims, "decision", folder)
        assert durable.read_lines(path) == lines[: there + 1]

    points = crash("decision", prepare, check)
    assert points >= 5


@pytest.fixture
def noted(victims, example, tmp_path) -> tuple[Path, dict[str, list[bytes]]]:
    """A run whose results are to be written again because of a note, and both versions of each derived file."""
    versions: dict[str, list[bytes]] = {"results.md": [], "results.csv": [], "results.json": []}
    shutil.copytree(example, tmp_path / "noted/run")
    for note in ("", "a word"):
        (tmp_path / "noted/run/notes.md").write_text(note)
        shutil.copytree(tmp_path / "noted", tmp_path / f"written {note}")
        assert victims.run("results", tmp_path / f"written {note}") == 0
        for name, content in versions.items():
            content.append((tmp_path / f"written {note}/run" / name).read_bytes())
    for name, (old, _) in versions.items():
        (tmp_path / "noted/run" / name).write_bytes(old)
    assert versions["results.md"][0] != versions["results.md"][1]
    return tmp_path / "noted", versions


@pytest.mark.slow
@pytest.mark.integration
def test_results_are_whole_old_or_whole_new(crash, victims, noted):
    template, versions = noted

    def check(folder):
        run = folder / "run"
        assert all((run / name).read_bytes() in content for name, content in versions.items())
        assert victims.run("results", folder) == 0
        assert all((run / name).read_bytes() == new for name, (_, new) in versions.items())
        durable.sweep(run)
        assert not list(run.rglob(".*.tmp"))

    points = crash("results", lambda folder: shutil.copytree(template, folder), check, calls=CHANGING)
    assert points >= 9


@pytest.mark.slow
@pytest.mark.integration
def test_a_whole_trial_killed_at_every_point_ends_as_if_it_never_was(crash, victims, content, tmp_path, tiny):
    """Rows, states, their rotation, predictions, weights and outcome: resumed after each kill, byte for byte."""
    how = (tiny | {"epochs": 2}, None, 1)  # one state is kept, so that the second epoch drops the first one's
    assert victims.run("train", tmp_path / "whole", *how) == 0
    whole = content(tmp_path / "whole")

    def check(folder):
        rows = durable.read_lines(folder / "epochs.jsonl")
        assert (tmp_path / "whole/epochs.jsonl").read_text().startswith("".join(json.dumps(row) + "\n" for row in rows))
        assert victims.run("train", folder, *how) == 0
        assert content(folder) == whole

    points = crash("train", lambda folder: None, check, *how, calls=CHANGING)
    assert points >= 30
