"""One process per run: pytest tests/search/test_lock.py"""

import subprocess
import sys

import pytest

from search import lock
from trainables.errors import LockedError

HOLD = """
import pathlib, sys, time, search.lock
with search.lock.hold(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_second_is_refused_with_the_name_of_the_first_until_that_is_killed(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(LockedError, match=f"process {holder.pid}"), lock.hold(tmp_path):
        pass
    holder.kill()
    holder.wait()
    with lock.hold(tmp_path):
        assert "process" in (tmp_path / "run.lock").read_text()


def test_a_text_left_by_a_dead_process_locks_nothing(tmp_path):
    (tmp_path / "run.lock").write_text("process 1 on another host\n")
    with lock.hold(tmp_path):
        assert "process 1 " not in (tmp_path / "run.lock").read_text()
