"""One process per run: pytest tests/search/run/test_lock.py"""

import errno
import fcntl
import subprocess
import sys

import pytest

from search.run import lock
from trainables.errors import LockedError, StorageError
from trainables.files import durable
from trainables.files.lock import exclusive

HOLD = """
import pathlib, sys, time, search.run.lock
with search.run.lock.hold(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_second_is_refused_with_the_name_of_the_first_until_that_is_killed(tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LockedError, match=f"process {holder.pid}"), lock.hold(tmp_path):
            pass
        holder.kill()
    with lock.hold(tmp_path):
        assert "process" in (tmp_path / "run.lock").read_text()


def test_a_text_left_by_a_dead_process_locks_nothing(tmp_path):
    (tmp_path / "run.lock").write_text("process 1 on another host\n")
    with lock.hold(tmp_path):
        assert "process 1 " not in (tmp_path / "run.lock").read_text()


def refuse(monkeypatch, number):
    def flock(*_):
        raise OSError(number, "refused")

    monkeypatch.setattr(fcntl, "flock", flock)


def test_a_file_system_without_locks_is_worth_a_warning(tmp_path, monkeypatch, capsys):
    """Lustre is often mounted so. The search goes on, because most people start it once."""
    refuse(monkeypatch, errno.ENOSYS)
    with exclusive(tmp_path / "lock"):
        assert "Start only one." in capsys.readouterr().err
    with lock.hold(tmp_path), durable.folder_lock(tmp_path):
        assert "Start only one." in capsys.readouterr().err


def test_a_lock_that_fails_otherwise_is_the_disk(tmp_path, monkeypatch):
    refuse(monkeypatch, errno.EIO)
    with pytest.raises(StorageError), lock.hold(tmp_path):
        pass
    with pytest.raises(StorageError), durable.folder_lock(tmp_path):
        pass
