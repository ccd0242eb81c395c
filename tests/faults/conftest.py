"""Processes to kill and disks to break. Every count is an environment variable (python -m tests.faults sets them); without them
the quick set is run."""

import contextlib
import ctypes
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.waiting import PATIENCE, until
from trainables.config import complete
from trainables.data.loading import Dataset
from trainables.files import durable

ROOT = Path(__file__).parents[2]
UNCAUGHT = 99  # exit code of a victim that let an unexpected error through
CLONE_NEWNS = 0x20000  # of unshare(2); os.unshare came with Python 3.12


@pytest.fixture(scope="session")
def times() -> Callable[[str, int], int]:
    """How often to do something: what the environment says under that name, else the quick set's number."""
    return lambda name, quick: int(os.environ.get(name, quick))


COUNTS: dict[str, int] = {}


@pytest.fixture(scope="session")
def tally() -> Callable[[str, int], None]:
    """Add to a number that is told at the end of the session: how much was proved."""

    def add(what: str, count: int) -> None:
        COUNTS[what] = COUNTS.get(what, 0) + count

    return add


def pytest_terminal_summary(terminalreporter) -> None:
    if COUNTS:
        terminalreporter.section("faults survived")
        terminalreporter.line(", ".join(f"{count:,} {what}" for what, count in COUNTS.items()))
    if told := os.environ.get("FAULT_TOLD"):
        Path(told).write_text(json.dumps(COUNTS))


@dataclass(frozen=True)
class End:
    """What became of a victim: exit code (or minus the signal), and its traced calls, one a line."""

    code: int
    calls: str


class Victims:
    """Asks victims.py for processes, and traces them."""

    HEAVY = (
        "train",
        "train_together",
        "results",
        "search",
        "search_own",
    )  # actions that need torch, whose size makes a fork slow

    def __init__(self, folder: Path, data: Path) -> None:
        self.log = folder / "strace.log"
        self.errors = folder / "errors.txt"
        self.data = data
        self.servers: dict[bool, subprocess.Popen] = {}  # those that were asked for: whether heavy, to the process
        self.origin: dict[int, bool] = {}

    def _serve(self, *arguments: Path) -> subprocess.Popen:
        command = [sys.executable, Path(__file__).with_name("victims.py"), *arguments]
        with self.errors.open("ab") as errors:
            return subprocess.Popen(
                command, text=True, bufsize=1, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )  # fmt: skip

    def _ask(self, is_heavy: bool, *request: Any) -> int:
        if is_heavy not in self.servers:
            self.servers[is_heavy] = self._serve(*[self.data] * is_heavy)
        server = self.servers[is_heavy]
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(json.dumps(request, default=str) + "\n")
        answer = server.stdout.readline()
        assert answer, f"victims.py ended: {self.errors.read_text()}"
        return int(answer)

    def end(self) -> None:
        for server in self.servers.values():
            server.communicate()

    def fork(self, action: str, folder: Path, *arguments: Any) -> int:
        """A process that stands still until SIGCONT."""
        is_heavy = action in self.HEAVY
        process = self._ask(is_heavy, "fork", action, folder, *arguments)
        self.origin[process] = is_heavy
        return process

    def start(self, action: str, folder: Path, *arguments: Any) -> int:
        process = self.fork(action, folder, *arguments)
        os.kill(process, signal.SIGCONT)
        return process

    def wait(self, process: int) -> int:
        """The exit code, of an ExpectedError its own, or minus the signal. Any other error is one of the test's subject."""
        code = self._ask(self.origin.pop(process), "wait", process)
        assert code != UNCAUGHT, self.errors.read_text()[-3000:]
        return code

    @staticmethod
    def ended(process: int) -> bool:
        """Whether it only waits to be asked for its exit code."""
        return ") Z" in Path(f"/proc/{process}/stat").read_text()

    def kill(self, process: int) -> int:
        """SIGKILL; what it came to may be an exit code if it had ended before."""
        os.kill(process, signal.SIGKILL)
        return self.wait(process)

    def run(self, action: str, folder: Path, *arguments: Any) -> int:
        return self.wait(self.start(action, folder, *arguments))

    def traced(self, calls: str, inject: str, action: str, folder: Path, *arguments: Any) -> End:
        """Run under strace, which sees `calls` and tampers with them as `inject` says (nothing if it is empty)."""
        process = self.fork(action, folder, *arguments)
        command = ["strace", "-f", "-qq", "-y", "-s", "0", "-o", self.log, "-e", f"trace={calls}"]
        tamper = ["-e", f"inject={inject}"] if inject else []
        tracer = subprocess.Popen([*command, *tamper, "-p", str(process)], stderr=subprocess.PIPE, text=True)
        try:
            attached = self._is_attached(process, tracer)
        finally:
            os.kill(process, signal.SIGCONT)
        code, complaints = self.wait(process), tracer.communicate()[1]
        if not attached:
            pytest.skip(f"strace cannot trace here: {complaints.strip()}")
        lines = [call for call in self.log.read_text().splitlines() if "(" in call]
        return End(code, "\n".join(lines))

    @staticmethod
    def _is_attached(process: int, tracer: subprocess.Popen) -> bool:
        give_up = time.monotonic() + PATIENCE
        while time.monotonic() < give_up and tracer.poll() is None:
            if "TracerPid:\t0\n" not in Path(f"/proc/{process}/status").read_text():
                return True
            time.sleep(0.001)
        return False


@pytest.fixture(scope="session")
def images(toy) -> Dataset:
    """Labels that are partly chance, so that the accuracy goes up and down and the best epoch is none of the last."""
    dice = np.random.default_rng(0)
    labels = np.where(dice.random(40) < 0.4, dice.integers(4, size=40), toy.val.labels)
    return replace(toy, val=replace(toy.val, labels=labels))


@pytest.fixture(scope="session")
def victims(images, tmp_path_factory) -> Iterator[Victims]:
    folder = tmp_path_factory.mktemp("victims")
    (folder / "data.pickle").write_bytes(pickle.dumps(images))
    asked = Victims(folder, folder / "data.pickle")
    yield asked
    asked.end()


@pytest.fixture(scope="session")
def traced(victims) -> Callable[..., End]:
    """Run a victim under strace."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    return victims.traced


@pytest.fixture(scope="session")
def tiny() -> dict[str, Any]:
    """A configuration that trains in milliseconds and reads every part of its state."""
    return complete(
        {"model": "mlp", "depth": 1, "width": 8, "dropout": 0.2, "optimizer": "adamw", "lr": 1e-2, "batch_size": 20,
         "schedule": "constant", "augment": "standard", "epochs": 3}
    )  # fmt: skip


@pytest.fixture
def memory(tmp_path) -> Iterator[Path]:
    """A folder where fsync costs nothing, for many kills: they leave the same there as on a disk."""
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def example() -> Path:
    """A complete run that came with the documentation."""
    return min((ROOT / "docs" / "examples").iterdir())


@pytest.fixture(scope="session")
def content() -> Callable[[Path], dict[str, bytes]]:
    """What a trial folder holds, but for clocks and for states other than the newest, of which a kill may leave one more."""

    def read(folder: Path) -> dict[str, bytes]:
        dropped = {path.stem for path in durable.states(folder)[1:]} | {"timing"}
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.stem not in dropped}

    return read


@pytest.fixture(scope="session")
def whole(victims, content, tiny, tmp_path_factory) -> dict[str, bytes]:
    """What the uninterrupted trial of the tiny configuration leaves."""
    folder = tmp_path_factory.mktemp("whole") / "trial"
    assert victims.run("train", folder, tiny) == 0
    return content(folder)


SWEEP = (
    "--space",
    "lr_sweep",
    "--dataset",
    "digits",
    "--fraction",
    "0.5",
    "--epochs",
    "8",
    "--precision",
    "fp32",
    "--quiet",
)
MEET = '    __import__("injected").meet(step.training.config, epoch)\n'  # what a Search's sources do as an epoch begins
BEGIN = "            course.step.begin(epoch)\n"
IN_ENGINE = (  # the same in the lane of an engine, which can be stuck while the others get on
    '        __import__("injected").meet(course.training.config, epoch)\n'
    '        yield from __import__("injected").stuck(course.training.config, epoch)\n'
)
SHARES = "shares_gpu=0 < resources.gpus < 1"
INJECTED = '''
import ctypes, json, os, pathlib, time

def meet(config, epoch):
    """What a configuration does to its process: as a file next to this one says, if it is there."""
    path = pathlib.Path(__file__).with_name("fault.json")
    fault = json.loads(path.read_text()) if path.exists() else {}
    if (fault.get("lr"), fault.get("epoch")) == (config["lr"], epoch):
        {"exit": lambda: os._exit(3), "segfault": lambda: ctypes.string_at(0), "hang": lambda: time.sleep(1e6),
         "memory": hog, "cuda": lambda: complain(RuntimeError, "CUDA error: an illegal memory access was encountered"),
         "gpu memory": lambda: complain(__import__("torch").OutOfMemoryError, "CUDA out of memory."),
         "stuck": lambda: None,
         }[fault["what"]]()

def stuck(config, epoch):
    """A lane whose device never gets done."""
    path = pathlib.Path(__file__).with_name("fault.json")
    fault = json.loads(path.read_text()) if path.exists() else {}
    while (fault.get("what"), fault.get("lr"), fault.get("epoch")) == ("stuck", config["lr"], epoch):
        yield False

def complain(kind, text):
    raise kind(text)

def hog():
    kept = []
    while len(kept) < 80:
        kept.append(b"x" * (100 << 20))
    time.sleep(1e6)
'''


class Search:
    """A search of three trials as people start it, with Ray, from sources that can be told to misbehave."""

    def __init__(self, source: Path, folder: Path) -> None:
        self.source = source
        self.folder = folder
        self.run = folder / "runs" / "t"

    def start(self, *arguments: object, **environment: object) -> subprocess.Popen:
        command = [sys.executable, self.source / "run_search.py", *SWEEP, "--name", "t", *map(str, arguments)]
        surroundings = {**os.environ, "PYTHONPATH": str(self.source)} | {k: str(v) for k, v in environment.items()}
        return subprocess.Popen(
            command, cwd=self.folder, env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def end(self, process: subprocess.Popen) -> tuple[int, str]:
        """Exit code and stderr."""
        _, errors = process.communicate(timeout=400)
        return process.returncode, errors

    def done(self, *arguments: object, **environment: object) -> tuple[int, str]:
        return self.end(self.start(*arguments, **environment))

    def inject(self, what: str, lr: float = 5e-4, epoch: int = 3) -> None:
        """From now on the trial with this rate meets a fault there; "nothing" takes it back."""
        path = self.source / "fault.json"
        path.unlink() if what == "nothing" else path.write_text(json.dumps({"what": what, "lr": lr, "epoch": epoch}))

    def rows(self) -> dict[str, list[bytes]]:
        """The committed epochs of each trial."""
        ledgers = {path.parent.name: path.read_bytes().splitlines() for path in self.run.glob("trials/*/epochs.jsonl")}
        return {name: [line for line in lines if b'"epoch"' in line] for name, lines in ledgers.items()}

    def count(self) -> int:
        return sum(map(len, self.rows().values()))

    def wait_for_rows(self, count: int, process: subprocess.Popen) -> None:
        """Until so many are committed, or the process has ended."""
        until(lambda: self.count() >= count, lambda: process.poll() is not None)

    def worker(self, process: subprocess.Popen, *trials: int) -> tuple[int, int]:
        """A trial that trains, one of these if any are given, and the id of its worker; (-1, -1) if the search ends before."""
        while process.poll() is None:
            for path in self.run.glob("ray/pulses/[0-9]*"):
                with contextlib.suppress(OSError):
                    if not trials or int(path.name) in trials:
                        return int(path.name), int(path.read_text().split()[0])
            time.sleep(0.01)
        return -1, -1

    def log(self) -> str:
        path = self.run / "ray" / "output.log"
        return path.read_text()[-4000:] if path.exists() else "no log"


@pytest.fixture(scope="session", autouse=True)
def own_mounts() -> None:
    """What is mounted from here on is seen by this process and its children, and ends with it, also if it is killed."""
    if ctypes.CDLL(None).unshare(CLONE_NEWNS) == 0:
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)


@pytest.fixture(scope="session")
def searches(tmp_path_factory) -> Path:
    """Where searches run, one folder each; their sources call injected.py, and their images are decoded once."""
    place = tmp_path_factory.mktemp("searches")
    for package in ("search", "trainables", "spaces", "analysis"):
        shutil.copytree(ROOT / package, place / "source" / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "run_search.py", place / "source")
    train = place / "source" / "trainables" / "training" / "loop.py"
    began = "    step.begin(epoch)\n"
    assert train.read_text().count(began) == 1
    train.write_text(train.read_text().replace(began, began + MEET))
    lanes = place / "source" / "trainables" / "engine" / "slots.py"
    assert lanes.read_text().count(BEGIN) == 1
    lanes.write_text(lanes.read_text().replace(BEGIN, BEGIN + IN_ENGINE))
    attempts = place / "source" / "search" / "attempts.py"  # as if they shared a GPU, so that its memory can run out
    assert attempts.read_text().count(SHARES) == 1
    attempts.write_text(attempts.read_text().replace(SHARES, "shares_gpu=True"))
    (place / "source" / "injected.py").write_text(INJECTED)
    return place


def new_search(place: Path, name: str) -> Search:
    folder = place / name
    folder.mkdir()
    (place / "data-cache").mkdir(exist_ok=True)
    (folder / "data-cache").symlink_to(place / "data-cache")
    return Search(place / "source", folder)


@pytest.fixture(scope="session")
def whole_search(searches, once) -> Search:
    """A search to which nothing happens, in its end: the command without Ray, since a trial has the same rows with it."""

    def train(folder: Path) -> None:
        command = [sys.executable, Path(__file__).with_name("alone.py"), *SWEEP, "--name", "t"]
        environment = {**os.environ, "PYTHONPATH": str(searches / "source")}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    return Search(searches / "source", once("undisturbed", train))


@pytest.fixture(scope="session")
def undisturbed(whole_search) -> dict[str, list[bytes]]:
    """The rows that a search has in the end when nothing happens to it."""
    return whole_search.rows()


@pytest.fixture
def search(searches, request, undisturbed) -> Iterator[Search]:
    made = new_search(searches, request.node.name.replace("[", "-").strip("]")[:60])
    yield made
    (made.source / "fault.json").unlink(missing_ok=True)
    shutil.rmtree(made.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def check(undisturbed) -> Callable[[Search], None]:
    """All is there, nothing is wrong, and every row is that of the undisturbed search, bit for bit."""
    from analysis.verify.run_folder import verify

    def sound(search: Search) -> None:
        assert search.rows() == undisturbed
        assert verify(search.run) == []

    return sound
