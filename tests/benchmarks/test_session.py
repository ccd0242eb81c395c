"""A sitting on a GPU, tried on a CPU: pytest tests/benchmarks/test_session.py"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.session import __main__ as sessions
from benchmarks.session.journal import Journal, Measurement
from tests.waiting import PATIENCE, until

ROOT = Path(__file__).parents[2]
ABSENT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"ray", "optuna", "typer", "rich", "safetensors", "numba"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
"""


def measured(journal, name, rows, seconds=0.0):
    journal.measure(Measurement("part", name, seconds, rows))


def failing():
    yield {"value": 1}
    raise ValueError("no algorithm\nat all")


def read(path):
    return json.loads(path.read_text())


def test_rows_are_kept_at_once_and_an_error_is_a_row(tmp_path):
    path = tmp_path / "out.json"
    journal = Journal(path)
    journal.begin(budget=60)
    measured(journal, "one", failing)
    measured(journal, "two", lambda: [{"value": 2}])
    document = read(path)
    assert [row.get("value") for row in document["rows"]] == [1, None, 2]
    assert "ValueError: no algorithm" in document["rows"][1]["error"]
    assert document["running"] is None
    assert list(tmp_path.iterdir()) == [path]


def test_what_does_not_fit_is_left_out_and_said(tmp_path):
    journal = Journal(tmp_path / "out.json")
    journal.begin(budget=60)
    measured(journal, "long", lambda: [{"value": 1}], seconds=100)
    assert read(tmp_path / "out.json")["left_out"] == ["part: long"]
    assert journal.document["rows"] == []


def test_what_was_planned_and_not_begun_is_left_out_too(tmp_path):
    """As when the budget ended in the middle of what was measured."""
    journal = Journal(tmp_path / "out.json")
    journal.begin(budget=60)
    planned = [
        Measurement("part", name, seconds, lambda: [{}]) for name, seconds in (("one", 0), ("long", 99), ("two", 0))
    ]
    journal.plan(planned)
    for measurement in planned[:2]:
        journal.measure(measurement)
    journal.end()
    assert read(tmp_path / "out.json")["left_out"] == ["part: long", "part: two"]


def test_rows_of_an_earlier_sitting_are_not_written_over(tmp_path, capsys):
    path = tmp_path / "out.json"
    path.write_text("{}")
    with pytest.raises(SystemExit, match="2"):
        sessions.main(["--budget", "1", "--out", str(path), "--device", "cpu"])
    assert "its rows would be lost. Name another file." in capsys.readouterr().err
    assert path.read_text() == "{}"


def test_a_process_that_is_started_again_does_not_measure_again(tmp_path):
    first = Journal(tmp_path / "out.json")
    first.begin(budget=60)

    def dies():
        yield {"value": 1}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measured(first, "one", dies)
    second = Journal(tmp_path / "out.json")
    assert second.document["running"]["name"] == "part: one"
    measured(second, "one", lambda: [{"value": 2}])
    measured(second, "two", lambda: [{"value": 3}])
    assert [row["value"] for row in second.document["rows"]] == [1, 3]


COMMAND = [sys.executable, "-m", "benchmarks.gpu", "--session", "--device", "cpu", "--small", "--images", "120"]


def sitting(folder, *arguments, absent=ABSENT, **environment):
    (folder / "sitecustomize.py").write_text(absent)
    done = subprocess.run(
        [*COMMAND, "--out", str(folder / "out.json"), *arguments], cwd=ROOT, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": f"{folder}:{ROOT}"} | environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return read(folder / "out.json")


@pytest.mark.slow
@pytest.mark.integration
def test_a_whole_sitting_where_nothing_but_torch_is_installed(tmp_path):
    document = sitting(tmp_path, "--budget", "900")
    assert document["is_over"]
    assert document["left_out"] == []
    rows = document["rows"]
    assert [row for row in rows if row.get("error") or row.get("engine_error") or row.get("errors")] == []
    parts = {row["part"] for row in rows}
    assert parts == {
        "bits",
        "speed",
        "slots",
        "search",
        "textbook",
        "hazards",
        "controls",
        "resume",
        "faults",
        "memory",
        "profile",
    } | {
        "command",
        "accuracy",
    }
    assert [row["not_measured"] for row in rows if row["part"] == "command"] == ["Ray is not installed"]
    words = {
        value
        for row in rows
        for key, value in row.items()
        if value in ("identical", "differs") and key != "other_seed" and row.get("rule") != "broken"
    }
    assert words == {"identical"}
    assert_controls([row for row in rows if row["part"] == "controls"])
    assert [row["other_seed"] for row in rows if "other_seed" in row] == ["differs"]
    captured = [row for row in rows if row["part"] != "controls"]
    assert {row.get("called_because") for row in captured} == {None}, "all of it was captured, as far as a CPU can tell"


def assert_controls(rows):
    """Each rule keeps the bits, and what it guards against shows without it."""
    pairs = {}
    for row in rows:
        if "rule" in row:
            pairs.setdefault(row["case"], {})[row["rule"]] = row
    assert len(pairs) == 9
    for case, pair in pairs.items():
        word = "layout" if "layout" in pair["kept"] else "bits"
        assert pair["kept"][word] == "identical", case
        if "uses_while_capturing" in pair["broken"]:
            assert pair["kept"]["uses_while_capturing"] == 0 < pair["broken"]["uses_while_capturing"]
        else:
            assert pair["broken"][word] == "differs", case
    refused, hangs = (row for row in rows if "rule" not in row)
    assert refused["answer"].startswith("refused: 33 slots on a GPU")
    assert (hangs["rows_of_the_one_that_hangs"], hangs["others"]) == (0, "identical")


@pytest.mark.slow
@pytest.mark.integration
def test_a_sitting_ends_with_its_budget(tmp_path):
    document = sitting(tmp_path, "--budget", "1")
    assert document["is_over"]
    assert document["used"] < 60


@pytest.mark.slow
@pytest.mark.integration
def test_a_search_from_the_command_to_results_md(tmp_path):
    """As people start it, with an engine under Ray."""
    document = sitting(tmp_path, "--budget", "900", "--part", "command", absent="")
    (row,) = document["rows"]
    assert (row["exit"], row["engines_died"]) == (0, 0), row
    assert row["model_epochs"] >= 3


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["terminated", "killed"])
def test_a_sitting_that_is_cut_keeps_its_rows_and_leaves_no_process(tmp_path, number):
    out = tmp_path / "out.json"
    process = subprocess.Popen([*COMMAND, "--out", out, "--budget", "900", "--part", "speed"], cwd=ROOT)
    try:
        until(lambda: out.exists() and len(read(out)["rows"]) >= 1, lambda: process.poll() is not None)
        process.send_signal(number)
        assert process.wait(PATIENCE) == (143 if number == signal.SIGTERM else -number)
        until(lambda: not [each for each in Path("/proc").glob("[0-9]*/cmdline") if str(out).encode() in words(each)])
    finally:
        process.kill()
        process.wait()
    rows = read(out)["rows"]
    assert rows
    assert all(row["part"] == "speed" for row in rows)


def words(path):
    """Of a process that may end just now."""
    with contextlib.suppress(OSError):
        return path.read_bytes()
    return b""
