"""Record docs/tour.cast, a terminal session in the format of asciinema (version 2): python docs/tour.py

The commands run one after another in a terminal, in a folder that has only a link to run_search.py. A frame that is drawn again
without a change is left out, a pause longer than LONGEST is cut to it, and the whole is played in DURATION if it is longer.
"""

import fcntl
import json
import os
import pty
import select
import shlex
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
WIDTH, HEIGHT = 118, 32
LONGEST, DURATION = 1.5, 120.0  # seconds
SEARCH = "python run_search.py --space lr_sweep --dataset digits --epochs 6"
FINISHED = b"finished"
STEPS = [  # what is said, the command, and the output at which Ctrl-C is pressed
    ("What will it cost? Nothing is trained yet.", f"{SEARCH} --dry-run", None),
    ("Search three learning rates. Ctrl-C in the middle ...", SEARCH, FINISHED),
    ("... and the same command continues.", SEARCH, None),
    ("One trial, whole.", "python -m analysis show lr_sweep-digits", None),
    ("Train it again: is it identical?", "python run_search.py --reproduce lr_sweep-digits/0", None),
    ("Take the winner along.", "python -m analysis export lr_sweep-digits my-network", None),
    ("The folder loads with torch and safetensors alone.", "ls my-network", None),
]


class Tape:
    """A recording: each entry has its second, and what the terminal showed."""

    def __init__(self) -> None:
        self.entries: list[tuple[float, str]] = [(0.0, "")]

    def show(self, text: str, after: float) -> None:
        second, last = self.entries[-1]
        if not (text == last and text.startswith("\r\x1b")):
            self.entries.append((second + min(after, LONGEST), text))

    def type(self, text: str) -> None:
        for letter in text:
            self.show(letter, 0.03)
        self.show("\r\n", 0.5)

    def write(self, path: Path) -> None:
        """In the format of asciinema."""
        speed = max(1.0, self.entries[-1][0] / DURATION)
        lines = [{"version": 2, "width": WIDTH, "height": HEIGHT, "title": "cifar-search"}]
        lines += [[round(second / speed, 3), "o", text] for second, text in self.entries[1:]]
        path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def play(tape: Tape, command: str, folder: Path, interrupt: bytes | None) -> None:
    """Run a command in a terminal and record what it shows; press Ctrl-C, once, when `interrupt` has been shown."""
    words = [sys.executable if word == "python" else word for word in shlex.split(command)]
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "COLUMNS": str(WIDTH)}
    running = subprocess.Popen(words, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown, last, rest = b"", time.monotonic(), b""
    while data := read(ours):
        text, rest = decoded(rest + data)
        tape.show(text, time.monotonic() - last)
        shown, last = shown + data, time.monotonic()
        if interrupt and interrupt in shown:
            running.send_signal(signal.SIGINT)
            tape.show("^C", 0.0)
            interrupt = None
    os.close(ours)
    running.wait()


def read(terminal: int) -> bytes:
    """What it showed since the last time; nothing once every process has closed it."""
    select.select([terminal], [], [])
    try:
        return os.read(terminal, 1 << 16)
    except OSError:
        return b""


def decoded(data: bytes) -> tuple[str, bytes]:
    """The text, and the bytes of a letter that is not complete yet."""
    whole = next(end for end in range(len(data), len(data) - 4, -1) if end <= 0 or is_text(data[:end]))
    return data[:whole].decode(), data[whole:]


def is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def main() -> None:
    tape = Tape()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "run_search.py").symlink_to(ROOT / "run_search.py")
        for comment, command, interrupt in STEPS:
            tape.show("\x1b[32m$\x1b[0m ", 1.0)
            tape.type(f"# {comment}")
            tape.show("\x1b[32m$\x1b[0m ", 0.3)
            tape.type(command)
            play(tape, command, Path(folder), interrupt)
    tape.show("\x1b[32m$\x1b[0m ", 1.5)
    tape.write(ROOT / "docs" / "tour.cast")


if __name__ == "__main__":
    main()
