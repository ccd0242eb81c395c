"""What a loop prints, in a file of its trial: pytest tests/trainables/own/test_printed.py

The streams are those of the process here, not pytest's.
"""

import contextlib
import os
import subprocess
import sys

from trainables.own import printed


def test_all_of_it_goes_there(tmp_path, capfd):
    with capfd.disabled(), printed.kept_in(tmp_path / "trial"):
        print("to stdout")
        print("to stderr", file=sys.stderr)
        subprocess.run(["echo", "of another program"], check=True)
    assert sorted((tmp_path / "trial" / printed.FILE).read_text().splitlines()) == [
        "of another program", "to stderr", "to stdout",
    ]  # fmt: skip


def test_a_turn_that_follows_appends(tmp_path, capfd):
    for word in ("first", "second"):
        with capfd.disabled(), printed.kept_in(tmp_path):
            print(word)
    assert (tmp_path / printed.FILE).read_text() == "first\nsecond\n"


def test_of_a_file_that_grew_too_long_the_newest_part_is_kept_and_it_goes_on(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(printed, "LONGEST", 100)
    with capfd.disabled(), printed.kept_in(tmp_path) as shorten:
        for number in range(20):
            print(f"line {number:04d}", flush=True)
            shorten()
            assert (tmp_path / printed.FILE).stat().st_size <= 100
        os.write(1, b"the end\n")
    said = (tmp_path / printed.FILE).read_text()
    assert said.endswith("line 0019\nthe end\n")
    assert "\0" not in said


def test_what_cannot_be_printed_fails_no_epoch_and_a_stream_of_the_users_is_taken_away(tmp_path, capfd):
    with capfd.disabled():
        before = sys.stdout
        with printed.kept_in(tmp_path):
            full = os.open("/dev/full", os.O_WRONLY)
            os.dup2(full, 1)
            print("lost", flush=True)
            os.close(full)
            sys.stdout = None
        assert sys.stdout is before


def test_an_epoch_that_printed_much_and_failed_leaves_a_short_file(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(printed, "LONGEST", 100)
    with contextlib.suppress(ValueError), capfd.disabled(), printed.kept_in(tmp_path):
        print("x" * 1000)
        raise ValueError
    assert (tmp_path / printed.FILE).stat().st_size == 50
