"""The search's side of a follower process: start the follower, tell it that the ledger has grown, and let it finish."""

import contextlib
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from trainables.cli import child

PATIENCE = 120.0  # seconds for the follower's last reading, after the search has ended by itself
HASTE = 5.0  # seconds for the last reading after an interruption, because a stronger signal may soon follow


@contextlib.contextmanager
def following(folder: Path, names: Sequence[str], notify: str | None) -> Iterator[Callable[[], None]]:
    """Update mirrors and send notifications while the block runs; yield a function to call when the ledger has grown."""
    if not names and notify is None:
        yield lambda: None
        return
    with start(folder, names, notify) as process:
        assert process.stdin is not None
        pipe = process.stdin.fileno()
        os.set_blocking(pipe, False)
        try:
            tell(pipe)
            yield lambda: tell(pipe)
        except BaseException:
            finish(process, HASTE, late(folder, names))
            raise
        finish(process, PATIENCE, late(folder, names))


def start(folder: Path, names: Sequence[str], notify: str | None) -> subprocess.Popen[bytes]:
    """Start the follower in its own session, so that Ctrl-C reaches only the search; the follower ends after the search."""
    words = [word for name in names for word in ("--to", name)] + (["--notify", notify] if notify else [])
    return subprocess.Popen(
        child.command("analysis", "follow", str(folder), *words), env=child.environment(),
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


def tell(pipe: int) -> None:
    """Write one byte to the follower's pipe; ignore a full pipe, and a follower that has ended."""
    with contextlib.suppress(BlockingIOError, BrokenPipeError):
        os.write(pipe, b".")


def finish(process: subprocess.Popen[bytes], patience: float, warning: str) -> None:
    """Close the follower's pipe and wait for its last reading; kill the follower after `patience` seconds."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        print(f"warning: {warning}", file=sys.stderr)


def late(folder: Path, names: Sequence[str]) -> str:
    """What is not as new as the run if the follower was killed, and how to bring it up to date."""
    if not names:
        return "the last notification was not sent"
    verb = "is" if len(names) == 1 else "are"
    command = shlex.join(
        ["python", "-m", "analysis", "mirror", str(folder), *(word for name in names for word in ("--to", name))]
    )
    return f"{' and '.join(names)} {verb} not up to date. Run: {command}"
