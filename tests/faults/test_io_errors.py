"""The Nth system call fails, for every N: a StorageError, the old content, and afterwards it works again.

strace makes the call fail, once ("transient") or from then on ("persistent"); full disks are real ones besides.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from trainables.errors import RunError, StorageError
from trainables.files import atomic, durable
from trainables.objective import ACCURACY

STORAGE = StorageError.exit_code
ERRORS = {
    "openat": ("EMFILE", "ENOSPC", "EROFS", "EIO"),
    "write": ("ENOSPC", "EIO"),
    "pwrite64": ("ENOSPC", "EIO"),
    "ftruncate": ("EROFS", "EIO"),
    "fsync": ("EIO", "ENOSPC"),
    "rename": ("EROFS", "ENOSPC", "EIO"),
    "unlink": ("EROFS", "EIO"),
    "mkdir": ("ENOSPC", "EROFS"),
    "close": ("EIO",),
}


@pytest.fixture
def failing(traced, tally, memory):
    """Let every call of an action fail in every way; `check` gets the folder that is left and the exit code.

    With a step only every so many calls fail, each with one error in turn.
    """
    folder = memory / "victim"

    def fail_everywhere(action, prepare, check, *arguments, step=1) -> int:
        prepare(folder)
        made = traced(",".join(ERRORS), "", action, folder, *arguments).calls
        shutil.rmtree(folder)
        faults = 0
        for call, error, when in ways(made, str(folder.parent), step):
            prepare(folder)
            end = traced(call, f"{call}:error={error}:when={when}", action, folder, *arguments)
            if "(INJECTED)" in end.calls:  # or it came out of the way of this call
                check(folder, end.code)
                faults += 1
            shutil.rmtree(folder)
        tally("failing calls", faults)
        return faults

    return fail_everywhere


def ways(made: str, place: str, step: int) -> Iterator[tuple[str, str, str]]:
    """Call, error and number of the call, each error once, and with a plus the most likely one from then on.

    Only calls on something in `place` begin to fail: libraries probe the processor and load code of their own late, and a
    processor that they cannot read may well change the last bits of every number.
    """
    for call, errors in ERRORS.items():
        ours = [number for number, line in enumerate(named(made, call), 1) if place in line]
        for number in ours[::step]:
            chosen = errors if step == 1 else errors[number % len(errors) :][:1]
            yield from ((call, error, f"{number}") for error in chosen)
            yield call, errors[0], f"{number}+"


def named(made: str, call: str) -> list[str]:
    return [line for line in made.splitlines() if f" {call}(" in line]


def test_a_failed_replacement_leaves_old_or_new_and_works_again(failing, victims):
    old = b'{"schema": 1}'

    def prepare(folder):
        folder.mkdir()
        (folder / "run.json").write_bytes(old)

    def check(folder, code):
        assert code == STORAGE
        assert durable.read_json(folder / "run.json")["schema"] in (1, 2)
        assert [path.name for path in folder.iterdir()] == ["run.json"]
        assert victims.run("run_json", folder) == 0
        assert durable.read_json(folder / "run.json")["schema"] == 2

    assert failing("run_json", prepare, check) >= 25


@pytest.mark.parametrize("old", [None, b"", b'{"epoch": 1}\n', b'{"epoch": 1}\n{"epo'])
def test_a_failed_line_is_not_there_and_one_that_is_there_did_not_fail(failing, victims, old):
    """So whoever appends may try again without looking."""
    before = (old or b"").count(b"\n")

    def prepare(folder):
        folder.mkdir()
        if old is not None:
            (folder / "epochs.jsonl").write_bytes(old)

    def check(folder, code):
        path = folder / "epochs.jsonl"
        assert (code, len(durable.read_lines(path))) in ((STORAGE, before), (0, before + 1))
        assert victims.run("line", folder) == 0
        rows = durable.read_lines(path)
        assert [row["epoch"] for row in rows] == list(range(1, len(rows) + 1))

    assert failing("line", prepare, check) >= 20


def test_a_failed_state_does_not_count_and_the_one_before_it_stays(failing, victims):
    def prepare(folder):
        folder.mkdir()
        durable.write_checked(folder / "state-000001.pt", b"first", epoch=1, trial="abcdef")

    def check(folder, code):
        assert code == STORAGE
        assert durable.read_checked(folder / "state-000001.pt") == b"first"
        assert read(folder / "state-000002.pt") in (None, b"new" * 100_000)
        assert not list(folder.glob(".*"))
        assert victims.run("state", folder) == 0
        assert read(folder / "state-000002.pt") == b"new" * 100_000

    assert failing("state", prepare, check) >= 50


def test_a_state_that_cannot_be_removed_is_whole_or_does_not_count(failing, victims):
    def prepare(folder):
        folder.mkdir()
        durable.write_checked(folder / "state-000002.pt", b"old", epoch=2, trial="abcdef")

    def check(folder, code):
        assert code == STORAGE
        assert read(folder / "state-000002.pt") in (b"old", None)
        assert victims.run("drop", folder) == 0
        assert not list(folder.iterdir())

    assert failing("drop", prepare, check) >= 6


def read(path: Path) -> bytes | None:
    """What a reader would take for the state; none if it is refused."""
    try:
        return durable.read_checked(path)
    except RunError:
        return None


@pytest.mark.parametrize("taken", [0, 2])
def test_a_decision_that_cannot_be_written_down_is_not_taken(failing, victims, memory, taken):
    template = memory / "template"
    template.mkdir()
    for _ in range(taken):
        assert victims.run("decision", template) == 0

    def prepare(folder):
        shutil.copytree(template, folder)

    def check(folder, code):
        path = folder / "decisions.jsonl"
        assert (code, len(durable.read_lines(path))) in ((STORAGE, taken), (0, taken + 1))
        assert victims.run("decision", folder) == 0
        sequence = [record["sequence"] for record in durable.read_lines(path)]
        assert sequence == list(range(1, len(sequence) + 1))

    assert failing("decision", prepare, check) >= 20


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.parametrize("start", ["fresh", "resumed"])
def test_a_fault_in_a_trial_is_a_storage_error_and_never_an_outcome(
    failing, victims, content, memory, tiny, whole, times, start
):
    """Calls fail in the first run or, compound, while it recovers from a kill: afterwards the same bytes as ever."""
    killed = memory / "killed"
    if start == "resumed":
        interrupted(victims, killed, tiny)

    def prepare(folder):
        if start == "resumed":
            shutil.copytree(killed, folder)

    def check(folder, code):
        if code:  # a call that is not needed may fail
            assert code == STORAGE
        rows = durable.read_lines(folder / "epochs.jsonl")
        assert whole["epochs.jsonl"].decode().startswith("".join(json.dumps(row) + "\n" for row in rows))
        assert victims.run("train", folder, tiny) == 0
        assert content(folder) == whole

    assert failing("train", prepare, check, tiny, step=times("FAULT_STEP", 5)) >= 10


def interrupted(victims, folder: Path, config: dict) -> None:
    """A trial that ended after its second epoch, and what a kill in the third may leave: a torn line and a leftover."""
    assert victims.run("train", folder, config, 2) == 0
    with (folder / "epochs.jsonl").open("ab") as file:
        file.write(b'{"epoch": 3, "tr')
    (folder / ".state-000003.pt.1.tmp").write_bytes(b"half")


@pytest.fixture
def disk(tmp_path):
    """A real file system of 1 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], capture_output=True, text=True
    )  # fmt: skip
    if mounted.returncode:
        pytest.skip(f"cannot mount here: {mounted.stderr.splitlines()[0]}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def fill(disk: Path, left: int) -> Path:
    """Take all but `left` bytes (in pages) of a disk."""
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    (disk / "ballast").write_bytes(b"x" * (free - left))
    return disk / "ballast"


def test_a_full_disk_refuses_a_line_and_takes_it_once_there_is_space(disk):
    path = disk / "epochs.jsonl"
    row = {"text": "x" * 3000}
    durable.append(path, row)
    ballast = fill(disk, 4096)
    durable.append(path, row)
    with pytest.raises(StorageError, match="No space left"):
        durable.append(path, row, row, row)  # a part of it would fit
    assert durable.read_lines(path) == [row, row]
    ballast.unlink()
    durable.append(path, row)
    assert durable.read_lines(path) == [row, row, row]


def test_a_full_disk_refuses_a_state_and_keeps_the_one_before_it(disk):
    durable.write_checked(disk / "state-000001.pt", b"a" * 100_000, epoch=1)
    ballast = fill(disk, 50_000)
    with pytest.raises(StorageError, match=r"No space left on device\. Free 1 MiB or more"):
        durable.write_checked(disk / "state-000002.pt", b"b" * 100_000, epoch=2)
    assert durable.read_checked(disk / "state-000001.pt") == b"a" * 100_000
    assert len(list(disk.iterdir())) == 3
    ballast.unlink()
    durable.write_checked(disk / "state-000002.pt", b"b" * 100_000, epoch=2)
    assert durable.read_checked(disk / "state-000002.pt") == b"b" * 100_000


def test_a_disk_that_became_read_only_refuses_everything_and_loses_nothing(disk):
    path = disk / "epochs.jsonl"
    durable.append(path, {"epoch": 1})
    durable.write_checked(disk / "state-000001.pt", b"a", epoch=1)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    attempts = (
        lambda: durable.append(path, {"epoch": 2}),
        lambda: durable.append(disk / "decisions.jsonl", {"sequence": 1}),
        lambda: durable.write_json(disk / "run.json", {}),
        lambda: durable.remove_checked(disk / "state-000001.pt"),
        lambda: durable.make_folder(disk / "trials"),
    )
    for attempt in attempts:
        with pytest.raises(StorageError, match="Read-only file system"):
            attempt()
    assert durable.read_lines(path) == [{"epoch": 1}]
    assert durable.read_checked(disk / "state-000001.pt") == b"a"
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    durable.append(path, {"epoch": 2})
    assert durable.read_lines(path) == [{"epoch": 1}, {"epoch": 2}]


@pytest.mark.parametrize("kept", [0, 1, 5, 11])
@pytest.mark.parametrize("times", [1, 3])
def test_a_short_write_is_refused_and_undone(tmp_path, monkeypatch, kept, times):
    """The disk takes some bytes of a line and not the rest, once or again and again."""
    path, real, left = tmp_path / "epochs.jsonl", os.pwrite, [times]
    durable.append(path, {"epoch": 1})

    def short(descriptor: int, data: bytes, offset: int) -> int:
        left[0] -= 1
        return real(descriptor, data[:kept] if left[0] >= 0 else data, offset)

    monkeypatch.setattr(os, "pwrite", short)
    for _ in range(times):
        with pytest.raises(StorageError, match="No space left"):
            durable.append(path, {"epoch": 2})
        assert path.read_bytes() == b'{"epoch": 1}\n'
    durable.append(path, {"epoch": 2})
    assert durable.read_lines(path) == [{"epoch": 1}, {"epoch": 2}]


@pytest.mark.integration
def test_what_goes_wrong_while_a_turn_is_tidied_up_ends_the_search_and_is_no_death(tmp_path, monkeypatch):
    """Tune takes whatever is raised there for the death of the worker."""
    from search.backend import tune

    def refuse(*_, **__):
        raise StorageError("cannot write: state-000001.pt: Stale file handle.")

    monkeypatch.setattr(tune, "tidy_trial", refuse)
    monkeypatch.setattr(tune.ledger, "reread", lambda *_: None)
    casualties = SimpleNamespace(watchdog=SimpleNamespace(turn_ended=lambda index: None))
    run = SimpleNamespace(trials=[], identity=SimpleNamespace(objective=ACCURACY), totals=SimpleNamespace(rungs=None))
    scheduler = tune.PlanScheduler(run, None, lambda *_: None, tmp_path / "stop", casualties, None)
    scheduler.on_trial_complete(None, SimpleNamespace(config={"trial": 0}), {})
    assert scheduler.fault is not None
    assert scheduler.fault.kind == StorageError.kind
    assert (tmp_path / "stop").exists()


@pytest.mark.integration
def test_after_a_refused_decision_the_scheduler_takes_no_other(tmp_path, monkeypatch):
    """The refused line may be there all the same, if it could not be cut off again: only a new process, which reads, can tell."""
    from search.backend.tune import PlanScheduler
    from search.run.decisions import Decisions

    def refuse(*_):
        raise OSError(5, os.strerror(5))

    path = tmp_path / "decisions.jsonl"
    decisions = Decisions(path, {"name": "asha", "grace_period": 1, "reduction_factor": 3}, 9, [], ACCURACY)
    casualties = SimpleNamespace(reported=lambda *_: None)
    scheduler = PlanScheduler(
        SimpleNamespace(trials=[], identity=SimpleNamespace(objective=ACCURACY)),
        decisions,
        lambda *_: None,
        tmp_path / "stop",
        casualties,
        None,
    )
    durable.append(path)  # the file is there
    truncate = os.ftruncate
    monkeypatch.setattr(
        os,
        "ftruncate",
        lambda descriptor, end: refuse() if end < 1 and path.stat().st_size else truncate(descriptor, end),
    )
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        patch.setattr(atomic, "sync_folder", lambda folder: None)
        scheduler.on_trial_result(None, SimpleNamespace(config={"trial": 0}), {"epoch": 1, "val_accuracy": 0.5})
    assert scheduler.fault is not None
    scheduler.on_trial_result(None, SimpleNamespace(config={"trial": 1}), {"epoch": 1, "val_accuracy": 0.5})
    sequence = [record["sequence"] for record in durable.read_lines(path)]
    assert sequence == list(range(1, len(sequence) + 1))
