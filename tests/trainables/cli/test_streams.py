"""Standard streams that are absent, or refuse: pytest tests/trainables/cli/test_streams.py"""

import fcntl
import os
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from trainables.cli import streams

ROOT = Path(__file__).parents[3]
FULL = 16_384  # bytes: a pipe holds so many on macOS, and 65,536 on Linux
WORK = """
import subprocess, sys
from pathlib import Path
from trainables.cli import streams
streams.hold()
print("starting", file=sys.stderr)
with streams.into(Path("log")):  # as a search does while Ray runs
    print("not for people")
    subprocess.run(["true"], check=True)
print("a table")
print("ended", file=sys.stderr)
refused = streams.refusal()
with open("done", "w") as file:
    file.write("all" if refused is None else refused.strerror)
"""


def work(folder, redirection, **how):
    """What became of work whose streams are redirected so, in the words of a shell: what it wrote in the end, and the log."""
    command = ["sh", "-c", f'exec "$0" -c "$1" {redirection}', sys.executable, WORK]
    subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True, timeout=60, **how)
    return (folder / "done").read_text(), (folder / "log").read_text()


@pytest.mark.parametrize("redirection", [">&-", "2>&-", "<&-", "<&- >&- 2>&-", "2>/dev/full", "2</dev/null"])
def test_a_stream_that_is_absent_or_of_progress_costs_nothing(tmp_path, redirection):
    assert work(tmp_path, redirection) == ("all", "not for people\n")


@pytest.mark.parametrize(
    ("redirection", "why"), [(">/dev/full", "No space left on device"), ("1</dev/null", "Bad file descriptor")]
)
def test_a_result_that_cannot_be_shown_is_remembered(tmp_path, redirection, why):
    assert work(tmp_path, redirection) == (why, "not for people\n")


def test_a_reader_that_has_gone_is_no_refusal(tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    assert work(tmp_path, "", stdout=writing, stderr=writing)[0] == "all"
    os.close(writing)


def test_a_terminal_that_was_closed_is_no_refusal(tmp_path):
    leader, follower = os.openpty()
    os.close(leader)
    assert work(tmp_path, "", stdout=follower, stderr=follower)[0] == "all"
    os.close(follower)


def test_what_is_shown_is_shown(tmp_path):
    assert work(tmp_path, ">out 2>err")[0] == "all"
    assert ((tmp_path / "out").read_text(), (tmp_path / "err").read_text()) == ("a table\n", "starting\nended\n")


def test_a_full_pipe_that_does_not_wait_is_waited_for():
    """As some programs and terminals hand one on: EAGAIN is no failure, and nothing is lost."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    code = "import sys; from trainables.cli import streams; streams.hold(); print('x' * 300_000)"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=writing, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    os.close(writing)
    while process.poll() is None and waiting_in(reading) < FULL:
        time.sleep(0.01)
    with os.fdopen(reading) as pipe:
        assert len(pipe.read()) == 300_001
    assert process.wait() == 0


def waiting_in(pipe):
    """Bytes that have not been read."""
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0]


def test_what_a_log_refuses_is_no_refusal_of_ours(tmp_path):
    (tmp_path / "log").symlink_to("/dev/full")
    command = [sys.executable, "-c", WORK]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("a table\n", "starting\nended\n")
    assert (tmp_path / "done").read_text() == "all"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("caf\udce9 caf\udce8", b"caf\\xe9 caf\\xe8"),
        ("\u65e5\u672c \u65e5\u6708", b"\\u65e5\\u672c \\u65e5\\u6708"),
        ("\u2714 12.3 \u2013", b"? 12.3 ?"),
    ],
)
def test_names_stay_distinct_where_their_letters_cannot_be_shown(text, shown):
    assert text.encode("ascii", streams.ERRORS) == shown


def test_bytes_that_are_no_text_are_told_apart_in_any_locale():
    assert "\udce9\udce8".encode("utf-8", streams.ERRORS) == b"\\xe9\\xe8"
    with pytest.raises(UnicodeDecodeError):
        b"\xe9".decode("utf-8", streams.ERRORS)
