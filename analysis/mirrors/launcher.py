"""The search's end of a follower: starts it, tells it that the ledger has grown, and lets it finish."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from trainables.cli import child

PATIENCE = 120.0  # seconds for the last reading, after the search has ended by itself
HASTE = 5.0  # seconds for it after an interruption: whoever sent the signal may soon send a harder one


@contextlib.contextmanager
def following(folder: Path, names: Sequence[str], notify: str | None) -> Iterator[Callable[[], None]]:
    """Keep these mirrors up to date, and notify, while the block runs; yields what is to be called when the ledger grew."""
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
            finish(process, HASTE)
            raise
        finish(process, PATIENCE)


def start(folder: Path, names: Sequence[str], notify: str | None) -> subprocess.Popen[bytes]:
    """The follower, in a session of its own: Ctrl-C is for the search, whose end is the follower's end."""
    words = [word for name in names for word in ("--to", name)] + (["--notify", notify] if notify else [])
    return subprocess.Popen(
        child.command("analysis", "follow", str(folder), *words), env=child.environment(),
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


def tell(pipe: int) -> None:
    """One byte. A full pipe has told enough, and a follower that is gone has said so itself."""
    with contextlib.suppress(BlockingIOError, BrokenPipeError):
        os.write(pipe, b".")


def finish(process: subprocess.Popen[bytes], patience: float) -> None:
    """End the pipe and wait for the last reading."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        print("warning: mirrors are behind; python -m analysis mirror RUN --to NAME brings them up.", file=sys.stderr)
