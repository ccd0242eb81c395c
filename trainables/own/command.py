"""A user's program as the source of a trial's rows: each JSON line that the program prints is one epoch.

The program is started without a shell. Environment variables tell the program what to do, and its files stay where it left
them:

    TRIAL_FOLDER        a folder of the trial's own, the current folder of the program
    TRIAL_ID            names configuration and seed
    TRIAL_SEED          a whole number from 0 to 2**31 - 1
    TRIAL_EPOCHS        the number of epochs of a whole trial
    TRIAL_LAST_EPOCH    the last epoch that is committed, 0 if there is none
    TRIAL_UNTIL_EPOCH   the last epoch to train now
    TRIAL_CONFIG        the hyperparameters as JSON

A line may name its `epoch`. The first line after a start may name any epoch from 1 to TRIAL_LAST_EPOCH + 1, and the next lines
go on from there. Lines that name no epoch are counted from 1 at each start, because a program that does not read these
variables begins again.
"""

import contextlib
import ctypes
import errno
import functools
import io
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TextIO

from trainables.config import canonical
from trainables.errors import LostError
from trainables.files import durable
from trainables.files.durable import Record
from trainables.own import printed
from trainables.own.loop import OwnEpoch, OwnRows, row_of
from trainables.trial.rows import OnBatch, State, UsersError

FILES = "files"  # in a trial's folder: where its program stands
PATIENCE = 10.0  # seconds for a program to end, after its last line and after SIGTERM
LOOK = 0.5  # seconds without a line before the next look whether the program still runs
LAST_LINES = 20  # lines of the program's standard error that the message of a failure shows
LONGEST = 1 << 20  # characters of a line
# Sent by the kernel for want of memory, by a batch system or by a person.
FROM_OUTSIDE = (signal.SIGHUP, signal.SIGINT, signal.SIGKILL, signal.SIGTERM)
LIBC, SET_DEATH_SIGNAL = ctypes.CDLL(None), 1  # PR_SET_PDEATHSIG of Linux


class ProgramError(Exception):
    """The program did not start, ended before its last epoch, or printed a line that is no valid row of metrics.

    Attributes:
        where: the name of the user's file or of the program.
    """

    def __init__(self, message: str, where: str) -> None:
        super().__init__(message)
        self.where = where


class AheadError(Exception):
    """The program goes on from files of a later epoch than the last committed one."""


@dataclass(frozen=True)
class CommandRows(OwnRows):
    """The rows of a trial that a user's program trains.

    Attributes:
        command: the program and its arguments; {name} stands for the value of a hyperparameter.
        code: the folder of the user's code in the run.
        folder: the folder of the trial.
        until: the last epoch to train now.
        stopping: whether the search was asked to stop.
    """

    command: Sequence[str] = ()
    code: Path = Path()
    folder: Path = Path()
    until: int = 0
    stopping: Callable[[], bool] = lambda: False

    def epochs(self, state: State | None, known: Mapping[int, float], on_batch: OnBatch | None) -> Generator[OwnEpoch]:
        """See Rows. When nobody wants the next row, the program is ended by SIGTERM, then by SIGKILL.

        A program that was killed may have saved a later epoch than the last committed one. If the program then goes on from
        its later epoch, its folder is emptied and the program begins again.
        """
        until = self.until or self.config["epochs"]
        if len(known) >= until:
            return  # all of it is committed
        try:
            yield from self._run(len(known), until, on_batch)
        except AheadError:
            shutil.rmtree(self.folder / FILES)
            yield from self._run(len(known), until, on_batch)

    def _run(self, committed: int, until: int, on_batch: OnBatch | None) -> Iterator[OwnEpoch]:
        """Start the program once and yield its rows.

        Raises:
            AheadError: see the class; the program had files to go on from.
            LostError: the program was ended from outside.
        """
        has_files, last = any((self.folder / FILES).glob("*")), 0
        with (
            tempfile.TemporaryFile(buffering=0) as errors,
            self._started(errors, committed, until) as (process, stdout),
        ):
            for line in lines(stdout):
                row = self._row(line, last, committed, errors, has_files)
                last = row["epoch"]
                if on_batch:
                    on_batch(last, until)
                if last == until:
                    end_in_order(process, stdout)
                printed.keep_newest(errors)
                yield OwnEpoch(row, None)
                if last == until:
                    return
            said = f"it ended after {last} of {until} epochs"
            code = process.wait()
            if -code in FROM_OUTSIDE:
                raise LostError(f"{self._name}: ended by signal {-code}: {said}")
            if code == 0 and has_files and last == 0:
                if self._stops():
                    raise LostError(f"{self._name}: ended while the search stops: {said}")
                raise AheadError  # by what it has saved, nothing is left to do
            how = f"ended by signal {-code}" if code < 0 else f"exit code {code}"
            raise UsersError(ProgramError(f"{how}: {said}{told(errors)}", self._name))

    def _stops(self) -> bool:
        """Whether the search stops: a batch system may have told the program first, so this waits a moment."""
        for _ in range(3):
            if self.stopping():
                return True
            time.sleep(LOOK)
        return False

    def _row(self, line: str, last: int, committed: int, errors: IO[bytes], has_files: bool) -> Record:
        """The row of a printed line; the first line may be of any committed epoch or of the next one.

        Raises:
            AheadError: see _run.
            Diverged, UsersError: see row_of.
        """
        try:
            metrics = json.loads(line)
            said = canonical(metrics.get("epoch")) if isinstance(metrics, dict) else None  # some print 1.0
            epoch = said if type(said) is int else last + 1
            if has_files and last == 0 and epoch > committed + 1:
                raise AheadError
            comes_next = last == 0 and 1 <= epoch <= committed + 1
            return row_of(epoch if comes_next else last + 1, metrics, self.objective)
        except (TypeError, ValueError, RecursionError) as error:
            raise UsersError(ProgramError(f"line {line.strip()[:200]!r}: {error}{told(errors)}", self._name)) from error

    @contextlib.contextmanager
    def _started(
        self, errors: IO[bytes], committed: int, until: int
    ) -> Iterator[tuple[subprocess.Popen[bytes], TextIO]]:
        """Start the program in its own process group; end the processes of the group when the block ends.

        Yields:
            The process, and the text that it prints.
        """
        place = self.folder / FILES
        durable.make_folder(place)
        words = filled(self.command, self.config, self.users_seed, self.code)
        printed.append_only(errors)
        with guarding() as told_guard:
            try:
                process = subprocess.Popen(
                    words, cwd=place, env=os.environ | self._environment(place, committed, until), stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE, bufsize=0, stderr=errors, start_new_session=True,
                    preexec_fn=functools.partial(begin, told_guard),
                )  # fmt: skip
            except OSError as error:
                raise UsersError(
                    ProgramError(f"{words[0]} does not start: {error.strerror or error}", self._name)
                ) from error
            try:
                yield process, io.TextIOWrapper(io.BufferedReader(Stdout(process)), "utf-8", "replace")
            finally:
                end(process)
                if process.stdout:
                    process.stdout.close()

    @property
    def _name(self) -> str:
        """The name of the user's file that the command runs, or else the name of the program."""
        own = [word for word in self.command if is_own(word, self.code)]
        return Path([*own, self.command[0]][0]).name

    def _environment(self, place: Path, committed: int, until: int) -> dict[str, str]:
        config = {key: value for key, value in self.config.items() if key != "epochs"}
        return {
            "PYTHONDONTWRITEBYTECODE": "1",  # the code of the run stays as it is
            "PYTHONUNBUFFERED": "1",  # or a line would come long after its epoch, too late to stop early or to go on from
            "TRIAL_FOLDER": str(place),
            "TRIAL_ID": self.id,
            "TRIAL_SEED": str(self.users_seed),
            "TRIAL_EPOCHS": str(self.config["epochs"]),
            "TRIAL_LAST_EPOCH": str(committed),
            "TRIAL_UNTIL_EPOCH": str(until),
            "TRIAL_CONFIG": json.dumps(config),
        }


def filled(command: Sequence[str], config: Mapping[str, object], seed: int, code: Path) -> list[str]:
    """Fill a trial's values into the words of a command; a file of the user's code becomes its path in the run.

    `python` becomes this interpreter where no program of that name is found.
    """
    words = [word.format(**config, seed=seed) for word in command]
    found = [str(code / word) if is_own(word, code) else word for word in words]
    is_python = re.fullmatch(r"python3?", found[0])
    return [sys.executable, *found[1:]] if is_python and not shutil.which(found[0]) else found


def is_own(word: str, code: Path) -> bool:
    """Whether a word of a command names a file of the user's code. A word may be a whole program, as behind `python -c`."""
    return not Path(word).is_absolute() and os.path.isfile(code / word)  # noqa: PTH113  Path.is_file raises for long words


class Stdout(io.RawIOBase):
    """What a program prints, until its process group has ended and nothing is left in the pipe.

    The pipe itself may stay open: a process that has left the group, such as the daemon of a tracker, may hold it. If the program
    itself has crashed, the processes that it has started have PATIENCE seconds to end.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None, "a pipe was asked for"
        self._process, self._pipe = process, process.stdout.fileno()
        self._crashed: float | None = None  # when that was noticed
        self._ready = select.poll()
        self._ready.register(self._pipe, select.POLLIN)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Read at most as many bytes as the buffer has room for; 0 at the end."""
        while True:
            is_over = has_ended(self._process)  # known first: what was printed until then is in the pipe
            if self._ready.poll(0 if is_over else 1000 * LOOK):
                data = os.read(self._pipe, len(buffer))
                buffer[: len(data)] = data
                return len(data)
            if is_over:
                return 0
            if self._process.returncode:
                self._crashed = self._crashed or time.monotonic()
                if time.monotonic() - self._crashed > PATIENCE:
                    end(self._process)
                    return 0


def has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether a program has ended, with all processes of its group."""
    if process.poll() is None:
        return False
    try:
        os.killpg(process.pid, 0)
    except OSError as error:
        return error.errno == errno.ESRCH
    return False


def lines(stdout: TextIO) -> Iterator[str]:
    """Yield the printed lines that begin like a JSON object; other lines are for people."""
    is_begun = True  # False while a line that is longer than LONGEST goes on
    while line := stdout.readline(LONGEST):
        if is_begun and line.lstrip().startswith("{"):
            yield line
        is_begun = line.endswith("\n")


def begin(told_guard: int) -> None:
    """In the new process, before the program: tell the guard its process group, and have it killed when its worker is gone.

    Otherwise two processes could train one trial.
    """
    os.write(told_guard, f"{os.getpid()}\n".encode())
    if sys.platform == "linux":
        LIBC.prctl(SET_DEATH_SIGNAL, signal.SIGKILL)


@contextlib.contextmanager
def guarding() -> Iterator[int]:
    """Start a shell that waits until this process is gone, then kills a program and the processes that it started.

    A program is often a script that starts a second program. Without the shell, this second program would train on beside the
    program that continues the trial. The shell is there before the program: whenever this process dies, it knows what to kill.

    Yields:
        The descriptor on which the program tells the shell its process group.
    """
    ending = 'trap "" HUP INT TERM; read -r group || exit; read -r _; kill -s KILL -- "-$group"'
    words = ["sh", "-c", ending]  # it hears no signal that is sent to all processes of a job
    nowhere = subprocess.DEVNULL
    guard = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=nowhere, stderr=nowhere, start_new_session=True)
    assert guard.stdin is not None, "a pipe was asked for"
    try:
        yield guard.stdin.fileno()
    finally:
        guard.kill()
        guard.wait()
        guard.stdin.close()


def end_in_order(process: subprocess.Popen[bytes], stdout: TextIO) -> None:
    """After its last row, give a program PATIENCE seconds to save files and end by itself; then end the program.

    A program that prints another row is ended earlier.
    """

    def read_on() -> None:  # or a full pipe would hold it
        if any(True for _ in lines(stdout)):
            end(process)

    drain = threading.Thread(target=read_on, daemon=True)
    drain.start()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(PATIENCE)
    end(process)
    drain.join(PATIENCE)


def end(process: subprocess.Popen[bytes]) -> None:
    """Send SIGTERM to the program's process group, wait for at most PATIENCE seconds, then send SIGKILL."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE)
            if number == signal.SIGTERM:
                continue
            return


def told(errors: IO[bytes]) -> str:
    """The last lines of the program's standard error, each with a line break before it, to follow a message."""
    errors.seek(max(0, errors.seek(0, os.SEEK_END) - LONGEST))
    found = errors.read().decode(errors="replace").splitlines()[-LAST_LINES:]
    return "".join(f"\n{line}" for line in found)
