"""Ctrl-C, Ctrl-C again, Ctrl-C for everybody, SIGTERM: the search ends soon, says how to go on, and goes on.

With Ray. F5 and F6 of the fault matrix.
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from analysis.results.files import is_stale
from analysis.verify.run_folder import verify
from benchmarks.processes import Tree
from search.faults import interrupts
from search.run import ledger
from tests.waiting import until

ROOT = Path(__file__).parents[2]
SEARCH = (
    "--space",
    "lr_sweep",
    "--dataset",
    "digits",
    "--fraction",
    "0.2",
    "--epochs",
    "400",
    "--name",
    "t",
    "--quiet",
)
SOON = 20.0  # seconds from the first signal to the end: the deadline, and as much again for a busy machine
AT_ONCE = interrupts.PATIENCE  # it waited for nobody
pytestmark = pytest.mark.integration


@pytest.fixture
def start(tmp_path) -> Iterator[Callable[..., subprocess.Popen]]:
    """The command as the leader of a process group of its own, as a shell starts it; none outlives its test."""
    begun: list[subprocess.Popen] = []

    def begin(*arguments: str, **environment: str) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, ROOT / "run_search.py", *(arguments or SEARCH)], cwd=tmp_path, text=True, process_group=0,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        begun.append(process)
        return process

    yield begin
    for process in begun:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def wait_for_rows(run: Path, process: subprocess.Popen, count: int = 2) -> None:
    until(
        lambda: sum(path.read_bytes().count(b"\n") for path in run.glob("trials/*/epochs.jsonl")) >= count,
        lambda: process.poll() is not None,
    )


def end(process: subprocess.Popen) -> tuple[float, str]:
    """Seconds until it ended, and what it said on stderr."""
    began = time.monotonic()
    process.wait(timeout=60)
    return time.monotonic() - began, process.communicate()[1]


def workers(run: Path) -> list[int]:
    """Processes that still have something of the run open."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(run) in str(entry.readlink()):
                found.append(int(entry.parts[2]))
        except OSError:
            continue
    return sorted(set(found))


def stopped_soon(run: Path, process: subprocess.Popen, code: int, seconds: float, said: str) -> None:
    assert process.returncode == code, said
    assert seconds < SOON
    assert f"interrupted; continue with: python {ROOT / 'run_search.py'} --space lr_sweep " in said
    assert "Traceback" not in said
    assert [problem for problem in verify(run) if "left behind" not in problem] == []


def goes_on(run: Path, start: Callable[..., subprocess.Popen], *arguments: str) -> None:
    """More rows follow those that are there, which stay."""
    before = {path: path.read_bytes() for path in run.glob("trials/*/epochs.jsonl")}
    process = start(*arguments)
    wait_for_rows(run, process, sum(rows.count(b"\n") for rows in before.values()) + 2)
    assert process.poll() is None, process.communicate()
    assert all(path.read_bytes().startswith(rows) for path, rows in before.items())


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_the_first_signal_ends_it_soon_and_it_goes_on(start, tmp_path, number, code):
    process = start()
    wait_for_rows(tmp_path / "runs/t", process)
    process.send_signal(number)
    seconds, said = end(process)
    stopped_soon(tmp_path / "runs/t", process, code, seconds, said)
    goes_on(tmp_path / "runs/t", start, "--resume", "t")


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_to_the_whole_group_is_one_signal(start, tmp_path, number, code):
    """As a terminal and `timeout` send it. Ray's processes have a session of their own and do not hear it."""
    process = start()
    wait_for_rows(tmp_path / "runs/t", process)
    os.killpg(process.pid, number)
    seconds, said = end(process)
    stopped_soon(tmp_path / "runs/t", process, code, seconds, said)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_to_every_process_blames_no_trial(start, tmp_path, number, code):
    """As a batch system sends it: to the workers and to Ray's own processes, too."""
    process = start()
    wait_for_rows(tmp_path / "runs/t", process)
    tree = Tree(process.pid)
    tree.look()
    for member in tree.alive:
        with contextlib.suppress(ProcessLookupError):
            os.kill(member, number)
    seconds, said = end(process)
    stopped_soon(tmp_path / "runs/t", process, code, seconds, said)
    assert not any(trial.status == "failed" for trial in ledger.read(tmp_path / "runs/t").trials)


@pytest.mark.slow
def test_a_terminal_that_is_closed_is_a_signal_to_end(tmp_path):
    """Its processes get SIGHUP, and can write no word any more. States are saved, and no temporary folder is left."""
    leader, follower = os.openpty()
    (tmp_path / "scratch").mkdir()

    def sit_at_it() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        [sys.executable, ROOT / "run_search.py", *SEARCH], cwd=tmp_path, start_new_session=True,
        preexec_fn=sit_at_it, stdin=follower, stdout=follower, stderr=follower,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path / "scratch")},
    )  # fmt: skip
    os.close(follower)
    wait_for_rows(tmp_path / "runs/t", process)
    os.close(leader)
    seconds, _ = end(process)
    assert (process.returncode, seconds < interrupts.HUNG_UP) == (129, True)
    assert not is_stale(ledger.read(tmp_path / "runs/t"))
    assert [problem for problem in verify(tmp_path / "runs/t") if "left behind" not in problem] == []
    assert list(tmp_path.glob("runs/t/trials/*/state-*.pt"))
    assert list((tmp_path / "scratch").glob("search-*")) == []


@pytest.mark.slow
def test_a_second_signal_ends_it_at_once_and_it_goes_on(start, tmp_path):
    process = start()
    wait_for_rows(tmp_path / "runs/t", process)
    process.send_signal(signal.SIGINT)
    until((tmp_path / "runs/t/ray/stop").exists)  # it has heard the first one
    process.send_signal(signal.SIGINT)
    seconds, said = end(process)
    stopped_soon(tmp_path / "runs/t", process, 130, seconds, said)
    assert seconds < AT_ONCE
    until(lambda: workers(tmp_path / "runs/t") == [])  # no process outlives its search
    goes_on(tmp_path / "runs/t", start)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
@pytest.mark.parametrize("moment", ["ray", "ray/output.log", "ray/tune"])
def test_a_signal_to_the_group_while_ray_starts(start, tmp_path, number, code, moment):
    process = start()
    until((tmp_path / "runs/t" / moment).exists, lambda: process.poll() is not None)
    os.killpg(process.pid, number)
    seconds, said = end(process)
    assert (process.returncode, seconds < SOON) == (code, True), said
    assert "interrupted; continue with: python " in said


IN_THE_MIDDLE_OF_A_FORK = """
import os, signal, sys

def strike():
    if "ray._private.node" in sys.modules and any(part.endswith("run_search.py") for part in sys.orig_argv):
        os.kill(os.getpid(), signal.SIGTERM)

os.register_at_fork(after_in_parent=strike)
"""


@pytest.mark.slow
def test_sigterm_while_it_starts_a_process_of_ray_is_not_lost(start, tmp_path):
    """In a fork Python drops what a handler raises, and the lock that was about to be released stays locked."""
    (tmp_path / "sitecustomize.py").write_text(IN_THE_MIDDLE_OF_A_FORK)
    process = start(PYTHONPATH=f"{tmp_path}:{ROOT}")
    _, said = end(process)
    assert process.returncode == 143, said
    assert "interrupted; continue with: python " in said


@pytest.mark.parametrize(
    ("name", "heard"),
    [
        ("SIGTERM", ""),
        (
            "SIGINT",
            "\nstopping, which takes up to ten seconds; Ctrl-C again stops at once, and loses the running epochs only\n",
        ),
    ],
)
def test_a_search_that_hangs_ends_all_the_same(tmp_path, name, heard):
    """Whatever does not return, the deadline ends the process, with the same words and code. No Ray."""
    code = (
        "import os, signal, time, pathlib; from search.faults import interrupts as i; i.DEADLINE = 0.5\n"
        "search = i.Interrupts('continue with: it'); search.listen(); search.stop_softly_by(pathlib.Path('stop'))\n"
        f"os.kill(os.getpid(), signal.{name})\n"
        "while True: time.sleep(1)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (128 + signal.Signals[name], f"{heard}\ncontinue with: it\n")
    assert interrupts.PATIENCE < interrupts.DEADLINE < SOON
