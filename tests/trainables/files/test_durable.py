"""Durable writes and the reader: pytest tests/trainables/files/test_durable.py"""

import errno
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.waiting import until
from trainables.errors import DeniedError, LockedError, RunError, StorageError
from trainables.files import atomic, durable, json_lines

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
records = st.lists(st.dictionaries(st.text(max_size=5), values, max_size=4), min_size=1, max_size=6)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("durable")


@given(records)
def test_what_is_appended_is_read_back(place, lines):
    path = place / "a.jsonl"
    path.unlink(missing_ok=True)
    for line in lines:
        durable.append(path, line)
    assert durable.read_lines(path) == lines


@given(records, st.data())
def test_any_cut_of_a_ledger_reads_as_a_prefix_and_goes_on(place, lines, data):
    path = place / "b.jsonl"
    path.unlink(missing_ok=True)
    durable.append(path, *lines)
    cut = data.draw(st.integers(0, path.stat().st_size))
    os.truncate(path, cut)
    kept = durable.read_lines(path)
    assert kept == lines[: len(kept)]
    durable.append(path, {"next": 1})
    assert durable.read_lines(path) == [*kept, {"next": 1}]


@pytest.mark.parametrize("block", [1, 50, 1000, 1 << 16])
def test_the_last_line_about_a_trial_is_found_from_the_end_and_an_unfinished_one_is_none(tmp_path, block):
    path = tmp_path / "decisions.jsonl"
    assert durable.read_last_with(path, "trial", 1) is None
    lines = [{"sequence": 7 * index, "trial": index % 13, "epoch": 1, "said": '"trial": 1,'} for index in range(40)]
    durable.append(path, *lines)
    with path.open("a") as file:
        file.write('{"sequence": 0, "trial": 1, "epo')
    for trial in range(13):
        last = [line for line in lines if line["trial"] == trial][-1]
        assert durable.read_last_with(path, "trial", trial, block) == last
    assert durable.read_last_with(path, "trial", 13, block) is None


def test_of_a_long_ledger_only_the_end_is_read(tmp_path, monkeypatch):
    path, read = tmp_path / "decisions.jsonl", []
    durable.append(path, *({"trial": index, "epoch": 1} for index in range(20_000)))
    monkeypatch.setattr(
        json_lines, "end_of", lambda path, size, real=json_lines.end_of: read.append(size) or real(path, size)
    )
    assert durable.read_last_with(path, "trial", 19_990) == {"trial": 19_990, "epoch": 1}
    assert read == [1 << 16]
    assert durable.read_last_with(path, "trial", 3) == {"trial": 3, "epoch": 1}
    assert sum(read[1:]) < 8 * path.stat().st_size


def test_a_damaged_line_is_named_when_it_is_read(tmp_path):
    path = tmp_path / "decisions.jsonl"
    path.write_text('{"trial": 1, "epoch": 1}\n{"trial": 2, NaN}\n')
    assert durable.read_last_with(path, "trial", 1) == {"trial": 1, "epoch": 1}
    with pytest.raises(RunError, match=r"decisions.jsonl:2"):
        durable.read_last_with(path, "trial", 2)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_give_records_or_our_error(place, data):
    path = place / "c.jsonl"
    path.write_bytes(data)
    try:
        assert all(isinstance(record, dict) for record in durable.read_lines(path))
    except RunError as error:
        assert f"{path}:" in str(error)


@pytest.mark.parametrize(
    "line", ["NaN", '{"a": NaN}', '{"a": 1e999}', "[1]", "{", "\x00\x00", '{"a": 1}{"b": 2}', "[" * 100_000]
)
def test_a_bad_line_before_the_last_is_named_by_file_and_number(tmp_path, line):
    path = tmp_path / "epochs.jsonl"
    path.write_text('{"epoch": 1}\n' + line + '\n{"epoch": 3}\n')
    with pytest.raises(RunError, match=r"epochs\.jsonl:2"):
        durable.read_lines(path)


def test_a_value_that_is_not_finite_is_never_written(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        durable.append(tmp_path / "a.jsonl", {"loss": float("nan")})
    assert not (tmp_path / "a.jsonl").exists()


def test_a_full_disk_leaves_the_ledger_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "a.jsonl"
    durable.append(path, {"epoch": 1})
    monkeypatch.setattr(os, "pwrite", lambda descriptor, data, offset: os.write(descriptor, data[:3]))
    with pytest.raises(StorageError, match=r"a\.jsonl"):
        durable.append(path, {"epoch": 2})
    assert path.read_text() == '{"epoch": 1}\n'


def test_a_failed_replacement_keeps_the_old_content_and_no_leftover(tmp_path, monkeypatch):
    path = tmp_path / "run.json"
    durable.write(path, b"old")

    def refuse(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StorageError, match="No space left"):
        durable.write(path, b"new")
    assert path.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_every_flipped_bit_of_a_checked_file_is_noticed(tmp_path):
    path = tmp_path / "state-000001.pt"
    durable.write_checked(path, b"weights", epoch=1)
    assert durable.read_checked(path) == b"weights"
    for bit in range(7 * 8):
        data = bytearray(b"weights")
        data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(bytes(data))
        with pytest.raises(RunError, match="sha256"):
            durable.read_checked(path)


def test_a_file_without_its_sidecar_does_not_count(tmp_path):
    (tmp_path / "state-000001.pt").write_bytes(b"weights")
    with pytest.raises(RunError):
        durable.read_checked(tmp_path / "state-000001.pt")


def test_sweeping_removes_leftovers_and_nothing_else(tmp_path):
    (tmp_path / ".run.json.123.tmp").write_text("half")
    (tmp_path / "run.json").write_text("{}")
    (tmp_path / ".c0de.123.tmp").mkdir()
    (tmp_path / ".c0de.123.tmp" / "mine.py").write_text("half")
    durable.sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_process_that_was_forked_does_not_hold_a_folder_on(tmp_path, is_killed):
    """Such as a worker of a user's DataLoader that is never closed."""
    code = (
        "import os, pathlib, sys, time, trainables.files.durable as durable\n"
        "with durable.folder_lock(pathlib.Path(sys.argv[1])):\n"
        "    child = os.fork()\n"
        "    if child == 0: time.sleep(900); os._exit(0)\n"
        "    print(child, flush=True)\n"
        "    if sys.argv[2] == 'True': time.sleep(60)\n"
        "print('free', flush=True); time.sleep(60)"
    )
    words = [sys.executable, "-c", code, str(tmp_path), str(is_killed)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as holder:
        child = int(holder.stdout.readline())
        try:
            if is_killed:
                holder.kill()
                holder.wait()
            else:
                assert holder.stdout.readline() == "free\n"
            until(lambda: is_free(tmp_path))  # the child may not have had its turn yet
        finally:
            holder.kill()
            os.kill(child, signal.SIGKILL)


def is_free(folder):
    try:
        with durable.folder_lock(folder):
            return True
    except LockedError:
        return False


def test_a_folder_is_held_by_one_process_and_free_again_when_it_is_killed(tmp_path):
    code = (
        "import pathlib, sys, time, trainables.files.durable as durable\n"
        "with durable.folder_lock(pathlib.Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LockedError, match="another process"), durable.folder_lock(tmp_path):
            pass
        holder.kill()
    with durable.folder_lock(tmp_path):
        assert holder.returncode == -9


NUMBERS = st.sampled_from(
    ["1", "-0.5", "1e5", "1e-400", "1e308", "1e309", "1E+0309", "9" * 250 + "e99", "1" * 310 + ".0", "NaN"]
)
PIECES = (
    st.sampled_from(["{", "}", "[", "]", '"', ",", ":", "\n", '"a"', '{"a": 1}', "}\n{", "\\", "\u00e9", "x", " "])
    | NUMBERS
)


def lines_of(folder, text):
    """A ledger with this content, and its lines."""
    (folder / "a.jsonl").write_bytes(text.encode())
    return folder / "a.jsonl", text.encode().split(b"\n")[:-1]


@given(st.lists(PIECES, max_size=30))
def test_the_quick_parser_never_takes_what_the_strict_one_refuses(tmp_path_factory, pieces):
    """Whatever stands in a file: its records are exactly what the strict parser makes of each line."""
    path, lines = lines_of(tmp_path_factory.mktemp("x"), "".join(pieces) + "\n")
    try:
        expected = [durable.parse(line, f"{path}:{number}") for number, line in enumerate(lines, 1)]
    except RunError as error:
        with pytest.raises(RunError, match=f"^{re.escape(str(error))}$"):
            durable.read_lines(path)
    else:
        assert durable.read_lines(path) == expected


@pytest.mark.parametrize("quick", [json_lines._quick, json_lines._strictly])
@given(
    st.lists(
        st.dictionaries(
            st.text() | st.sampled_from(["\ud800"]),
            st.text() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats(allow_nan=False, allow_infinity=False),
        ),
    )
)
def test_records_are_read_as_they_were_written(tmp_path_factory, quick, records):
    """With the quick parser, and with the strict one alone; integers have 64 bits, and `append` escapes lone surrogates."""
    path = tmp_path_factory.mktemp("x") / "a.jsonl"
    durable.append(path, *records, sync=False)
    with mock.patch.object(json_lines, "_quick", quick):
        assert repr(durable.read_lines(path)) == repr(records)


@pytest.mark.parametrize("number", ["1e309", "1E+0309", "-1e400", "9" * 250 + "e99", "1" * 310 + ".0"])
def test_numbers_beyond_the_largest_are_refused(tmp_path, number):
    (tmp_path / "a.jsonl").write_text(f'{{"a": {number}}}\n')
    with pytest.raises(RunError, match=r"a\.jsonl:1"):
        durable.read_lines(tmp_path / "a.jsonl")


@pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "device"])
def test_what_is_no_file_is_never_replaced(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    path = tmp_path / "results.csv"
    with socket.socket(socket.AF_UNIX) as listening:
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "socket":
            listening.bind("results.csv")
        elif kind == "folder":
            path.mkdir()
        else:
            path.symlink_to("/dev/null")
        before = path.lstat().st_ino
        with pytest.raises(StorageError, match=f"not replaced: .*: it is a {kind}. Name a file"):
            durable.write(path, b"ours")
    assert path.lstat().st_ino == before


@pytest.mark.parametrize("target", ["/dev/stdout", "/dev/fd/1", "/proc/self/cwd", "/proc/self/exe"])
def test_a_link_of_the_system_is_no_file_wherever_it_leads(target):
    assert atomic.no_file(Path(target)) == "a link of the system"


def test_a_link_of_ones_own_is_replaced(tmp_path):
    for name, target in (("a", tmp_path / "file"), ("b", tmp_path), ("c", tmp_path / "nowhere")):
        (tmp_path / name).symlink_to(target)
        assert atomic.no_file(tmp_path / name) is None
        durable.write(tmp_path / name, b"ours")
        assert not (tmp_path / name).is_symlink()


@pytest.mark.parametrize(
    ("number", "step", "is_denied"),
    [
        (errno.EACCES, "This user may not write there", True),
        (errno.EPERM, "This user may not write there", True),
        (errno.EROFS, "Nobody may write there", True),
        (errno.ENOSPC, "Free 3 MiB or more", False),
        (errno.EDQUOT, "Free 3 MiB or more", False),
        (errno.EFBIG, "ulimit -f", False),
        (errno.EMFILE, "ulimit -n", False),
        (errno.EIO, "Check the disk", False),
    ],
)
def test_the_next_step_fits_what_the_system_said(number, step, is_denied):
    told = durable.storage_error(Path("runs/t"), OSError(number, os.strerror(number)), 3 << 20)
    assert step in str(told)
    assert os.strerror(number) in str(told)
    assert isinstance(told, DeniedError) == is_denied
    assert ("disk" in str(told)) == (number == errno.EIO)


def test_a_run_folder_that_was_moved_while_it_trained_is_said_to_be_gone_and_no_fault_of_the_disk(tmp_path):
    told = {}
    for name in ("there", "gone"):
        (tmp_path / "there").mkdir(exist_ok=True)
        error = OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        told[name] = str(durable.storage_error(tmp_path / name / "epochs.jsonl", error, 0))
    assert f"{tmp_path / 'gone'} is gone. Move it back" in told["gone"] and "disk" not in told["gone"]
    assert "is gone" not in told["there"]


@pytest.mark.parametrize("read", [durable.read_json, durable.read_lines])
def test_what_may_not_be_read_is_not_called_missing(tmp_path, monkeypatch, read):
    def deny(_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "read_bytes", deny)
    with pytest.raises((RunError, StorageError), match=r"Permission denied\. Have its owner allow it\."):
        read(tmp_path / "run.json")


def test_a_sidecar_that_was_written_while_states_were_dropped_goes_with_the_next(tmp_path):
    for name in ("state-000001.json", "state-000002.json", "state-000002.pt", "best.json", "epochs.jsonl"):
        (tmp_path / name).write_text("{}")
    durable.remove_states(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.json", "epochs.jsonl"]
