"""A user's loop or program tried before a search begins: pytest tests/trainables/own/test_rehearsal.py"""

import re
from pathlib import Path

import pytest

from search import rehearsal as of_search
from tests import own
from tests.waiting import until
from trainables.errors import SpaceError
from trainables.own import code, rehearsal, training

CALL = 'yield {"loss": (at - 3) ** 2, "at": at}, lambda: {"at": at, "epoch": epoch}'
LINE = next(number for number, line in enumerate(own.LOOP.splitlines(), 1) if CALL in line)
LOOPS = [  # the line, what stands there instead, the line that is named, and what is said
    (CALL, 'yield {"los": at}', LINE, "ValueError: loss is not among the metrics los"),
    (CALL, 'yield {"loss": "low"}', LINE, "TypeError: metric loss must be a number, but is 'low'"),
    (CALL, "yield at", LINE, "TypeError: no metrics"),
    (CALL, 'yield {"loss": at}, lambda: {"at": object()}', LINE, "TypeError: the state cannot be saved and read back"),
    (CALL, 'return {"loss": 1.0}', 7, "TypeError: the function returned {'loss': 1.0} and yields nothing"),
    (CALL, "break\n        yield", 7, "ValueError: the loop ended after 0 of 4 epochs"),
    ("at = at +", "at = att +", LINE - 1, "NameError: name 'att' is not defined"),
    ("at = at +", "import no_such; at =", LINE - 1, "ModuleNotFoundError: No module named 'no_such'"),
    ("at = at +", "raise SystemExit(3); at =", LINE - 1, "SystemExit: 3"),
]
PROGRAMS = [  # what the program is, and what is said
    ("echo no number >&2; exit 2", "follow.sh: .* fails: exit code 2: it ended after 0 of 4 epochs: no number"),
    ("echo '{\"los\": 1}'", "follow.sh: .*: line '{\"los\": 1}': loss is not among the metrics los"),
    ("echo '{\"loss\": null}'", "follow.sh: .*: metric loss must be a number, but is None"),
    ("python3 -c 'exec(compile(\"\\n\\n1 / 0\", \"mine.py\", \"exec\"))'", "mine.py:3: .*: ZeroDivisionError: division by zero"),
]  # fmt: skip


@pytest.fixture
def rows(tmp_path):
    """Rows of the baseline, with the code as a run has it."""

    def of(kind, text):
        path = own.write(tmp_path / "user", kind)
        (path if kind == "loop" else path.with_name("follow.sh")).write_text(text)
        asked = own.settings(path)
        asked.code.keep(tmp_path)
        place = asked.code.folder(tmp_path)
        code.use(place, place.name)
        config = asked.space.config(asked.space.baseline) | {"epochs": 4}
        how = {"code": place, "folder": tmp_path / "trial", "until": 4}
        return training.rows(asked.space.training, config, asked.objective, 0, "cpu", **how)

    return of


@pytest.mark.parametrize(("was", "now", "line", "what"), LOOPS, ids=[case[1][:20] for case in LOOPS])
def test_a_mistake_of_a_loop_is_one_line_with_its_file_and_line(rows, was, now, line, what):
    with pytest.raises(SpaceError, match=re.escape(what)) as caught:
        rehearsal.rehearse(rows("loop", own.LOOP.replace(was, now)))
    assert str(caught.value).startswith(f"own_loop.py:{line}: the first epoch of the baseline fails: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("script", "what"), PROGRAMS, ids=[case[0][:20] for case in PROGRAMS])
def test_a_mistake_of_a_program_is_one_line_with_the_last_that_it_said(rows, script, what):
    with pytest.raises(SpaceError, match=f"^{what}") as caught:
        rehearsal.rehearse(rows("program", f"#!/bin/sh\n{script}\n"))
    assert "\n" not in str(caught.value)


def test_a_baseline_that_diverges_at_once_is_a_mistake(rows):
    text = own.LOOP.replace("(at - 3) ** 2", "at / 0 * float('nan')")
    with pytest.raises(SpaceError, match=rf"^own_loop\.py:{LINE}: .* gives no finite loss"):
        rehearsal.rehearse(rows("loop", text))


@pytest.mark.parametrize("kind", own.KINDS)
def test_one_that_works_is_no_news(rows, kind):
    assert rehearsal.rehearse(rows(kind, {"loop": own.LOOP, "program": own.FOLLOW}[kind])) == []


def test_that_a_loop_has_no_state_is_said(rows):
    (note,) = rehearsal.rehearse(rows("loop", own.LOOP.replace(', lambda: {"at": at, "epoch": epoch}', "")))
    assert note.startswith("train yields no get_state, so a trial begins again")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # a ring in the middle of a fork
@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("loop", own.LOOP.replace("        noise =", "        import time; time.sleep(60)\n        noise =")),
        ("program", "#!/bin/sh\nexec sleep 60\n"),
    ],
)
def test_an_epoch_that_takes_long_is_left_and_said(rows, kind, text, monkeypatch):
    monkeypatch.setattr(rehearsal, "LIMIT", 0.5)
    monkeypatch.setattr(rehearsal, "AGAIN", 2.0)
    (note,) = rehearsal.rehearse(rows(kind, text))
    assert "took longer than 0.5 s" in note


@pytest.mark.integration
def test_a_child_process_tries_it_unless_the_run_has_this_code(tmp_path):
    path = own.write(tmp_path / "user", "loop")
    path.write_text(own.LOOP.replace("at = at +", "print('{'); at = att +"))
    broken = own.settings(path, runs_dir=tmp_path)
    with pytest.raises(SpaceError, match=rf"^own_loop\.py:{LINE - 1}: .*NameError"):
        of_search.rehearse_training(broken, "cpu")
    assert (
        of_search.rehearse_training(own.settings(path, runs_dir=tmp_path, address="auto"), "cpu") == of_search.Tried()
    )
    own.search(tmp_path / broken.run_name, broken)
    assert of_search.rehearse_training(broken, "cpu") == of_search.Tried()


@pytest.mark.integration
def test_what_ends_the_process_is_said_and_what_it_leaves_behind_is_ended(tmp_path):
    """A loop that starts a process and then crashes the interpreter: nobody waits for that process."""
    path = own.write(tmp_path / "user", "loop")
    start = f"pid = subprocess.Popen(['sleep', '999']).pid; open({str(tmp_path / 'pid')!r}, 'w').write(str(pid))"
    path.write_text(own.LOOP.replace("at = at +", f"import os, subprocess; {start}; os.abort(); at ="))
    with pytest.raises(SpaceError, match="your code ended the process that tried it: signal 6"):
        of_search.rehearse_training(own.settings(path, runs_dir=tmp_path), "cpu")
    left = Path("/proc", (tmp_path / "pid").read_text(), "stat")
    until(lambda: not left.exists() or left.read_text().split()[2] == "Z")
