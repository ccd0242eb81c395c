"""Arbitrary and mutated run folders: a run, or one of our errors; never anything else. FUZZ_EXAMPLES says how many."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from analysis.verify.run_folder import verify
from search.run import ledger
from search.run.confirmation import is_complete
from search.stopping.cuts import LISTS
from tests import own
from trainables.errors import ExpectedError, RunError
from trainables.files import durable
from trainables.objective import ACCURACY

pytestmark = pytest.mark.integration
often = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", settings().max_examples)),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
FILES = ("run.json", "totals.jsonl", "trials.jsonl", "decisions.jsonl", "tests.jsonl", "results.json")

row = {"epoch": 1, "train_loss": 0.5, "train_accuracy": 0.5, "val_loss": 0.5, "val_accuracy": 0.5, "lr": 0.1}
odd = st.sampled_from(
    [None, True, -1, 0, 1, 2, 0.5, 1e308, 10**400, "", "1", "null", "\ud800", [], {}, "[" * 50, "stop", "../..", "\x00"]
)  # fmt: skip
texts = st.sampled_from(
    ["NaN", "Infinity", "1e400", "{", "[]", "null", "\ufeff{}", "{}\r", "{}{}", "[" * 5000, '{"a":' * 5000, "9" * 5000, "\0\0"]
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory, example) -> Path:
    """A complete run, one trial of which everything is changed."""
    run = tmp_path_factory.mktemp("fuzz") / "run"
    shutil.copytree(example, run)
    totals = durable.read_lines(run / "totals.jsonl")[-1]
    durable.append(run / "totals.jsonl", totals | {"allowed": ["threads: 1 is now 2"], "identity": {"threads": 2}})
    return run


@pytest.fixture(scope="module")
def cut_run(tmp_path_factory) -> Path:
    """A complete ladder with an audit and a confirmation, whose decisions are a line for each rung."""
    place = tmp_path_factory.mktemp("cuts")
    asked = own.settings(own.write(place / "user", "loop"), scheduler="ladder", share=0.7, num_samples=12, epochs=9)
    run = own.search(place / "run", replace(asked, audit=0.2, seeds=2, confirm=1, confirm_seeds=2))
    assert len(run.cuts) == 4
    assert verify(run.folder) == []
    return run.folder


@st.composite
def mutated(draw, data: bytes) -> bytes:
    """A file with a few mistakes of every kind that we know."""
    for _ in range(draw(st.integers(1, 3))):
        lines = data.split(b"\n")
        place = draw(st.integers(0, len(lines) - 1))
        data = draw(st.sampled_from([cut, splice, swap, double, replace_line, change_key]))(draw, data, lines, place)
    return data


def cut(draw, data, lines, place) -> bytes:
    start = draw(st.integers(0, len(data)))
    return data[:start] + data[draw(st.integers(start, len(data))) :]


def splice(draw, data, lines, place) -> bytes:
    start = draw(st.integers(0, len(data)))
    return data[:start] + draw(st.binary(max_size=4)) + data[start + draw(st.integers(0, 4)) :]


def swap(draw, data, lines, place) -> bytes:
    other = draw(st.integers(0, len(lines) - 1))
    lines[place], lines[other] = lines[other], lines[place]
    return b"\n".join(lines)


def double(draw, data, lines, place) -> bytes:
    return b"\n".join([*lines[:place], lines[place], *lines[place:]])


def replace_line(draw, data, lines, place) -> bytes:
    lines[place] = draw(texts).encode("utf-8", "surrogatepass")
    return b"\n".join(lines)


def change_key(draw, data, lines, place) -> bytes:
    try:
        record = json.loads(lines[place])
    except (ValueError, RecursionError):
        return data
    if not isinstance(record, dict) or not record:  # after another mutation
        return data
    key = draw(st.sampled_from(sorted(record)))
    record[key] = draw(odd)
    if draw(st.booleans()):
        del record[key]
    lines[place] = json.dumps(record).encode()
    return b"\n".join(lines)


def read(run: Path) -> ledger.Run | None:
    """The run with everything that is computed from it, or none if it is refused."""
    try:
        found = ledger.read(run)
    except ExpectedError as error:
        assert str(run) in str(error)
        return None
    assert is_complete(found) in (True, False)
    for trial in found.trials:
        assert trial.ended in (True, False)
        assert trial.best is None or trial.best in trial.epochs
    return found


@often
@given(st.binary(max_size=400))
def test_arbitrary_bytes_as_a_ledger(tmp_path, data):
    path = tmp_path / "epochs.jsonl"
    path.write_bytes(data)
    try:
        rows, _ = ledger.read_epochs(path, ACCURACY)
    except RunError as error:
        assert f"{path}:" in str(error)
    else:
        assert [one["epoch"] for one in rows] == list(range(1, len(rows) + 1))


@often
@given(st.data())
def test_a_mutated_ledger_of_a_trial(tmp_path, data):
    path, good = tmp_path / "epochs.jsonl", b"".join(line(row | {"epoch": epoch}) for epoch in range(1, 6))
    path.write_bytes(data.draw(mutated(good + line({"outcome": "finished"}))))
    try:
        rows, outcome = ledger.read_epochs(path, ACCURACY)
    except RunError as error:
        assert f"{path}:" in str(error)
    else:
        assert [one["epoch"] for one in rows] == list(range(1, len(rows) + 1))
        assert outcome is None or outcome["outcome"] in ledger.OUTCOMES
        assert all(isinstance(one["val_accuracy"], (int, float)) for one in rows)


def line(record: dict) -> bytes:
    return json.dumps(record).encode() + b"\n"


@often
@given(st.integers(1, 6), st.data())
def test_any_beginning_of_a_ledger_reads_as_a_beginning_of_its_rows(tmp_path, epochs, data):
    path = tmp_path / "epochs.jsonl"
    whole = b"".join(line(row | {"epoch": epoch}) for epoch in range(1, epochs + 1))
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    rows, outcome = ledger.read_epochs(path, ACCURACY)
    assert rows == [row | {"epoch": epoch} for epoch in range(1, len(rows) + 1)]
    assert outcome is None


@often
@given(st.data())
def test_a_run_with_one_mutated_file(folder, data):
    """Read, or refused by our error; the check, too, ends with a list whatever there is."""
    trials = sorted(path.relative_to(folder).as_posix() for path in folder.glob("trials/*/epochs.jsonl"))
    path = folder / data.draw(st.sampled_from([*(name for name in FILES if (folder / name).exists()), *trials[:2]]))
    good = path.read_bytes()
    path.write_bytes(data.draw(mutated(good)))
    try:
        read(folder)
        assert all(isinstance(problem, str) for problem in verify(folder))
    finally:
        path.write_bytes(good)


@often
@given(st.data())
def test_a_run_with_mutated_cuts(cut_run, data):
    """Lines about whole rungs: read, or refused by our error; the check ends with a list."""
    path = cut_run / "decisions.jsonl"
    good = path.read_bytes()
    path.write_bytes(data.draw(mutated(good)))
    try:
        read(cut_run)
        assert all(isinstance(problem, str) for problem in verify(cut_run))
    finally:
        path.write_bytes(good)


@st.composite
def with_another_cut(draw, lines: list[dict]) -> list[dict]:
    """The lines about rungs, of which one says something else that a line may say, is missing, or stands elsewhere."""
    lines = [dict(line) for line in lines]
    place = draw(st.integers(0, len(lines) - 1))
    what, line = draw(st.sampled_from(["list", "number", "key", "remove", "double", "swap"])), lines[place]
    if what == "list":
        key = draw(st.sampled_from(LISTS))
        indices = st.lists(st.integers(0, 24), unique=True).map(sorted) | st.just(line.get(key, []))
        line[key] = draw(indices.map(lambda found: found[draw(st.integers(0, 1)) :]))
    elif what == "number":
        key = draw(st.sampled_from(sorted(key for key, value in line.items() if isinstance(value, (int, float)))))
        line[key] = draw(st.integers(0, 30) | st.floats(0, 9))
    elif what == "key":
        del line[draw(st.sampled_from(sorted(line)))]
    elif what == "swap":
        other = draw(st.integers(0, len(lines) - 1))
        lines[place], lines[other] = lines[other], lines[place]
    else:
        lines[place : place + 1] = [line] * (2 if what == "double" else 0)
    return lines


@often
@given(st.data())
def test_a_cut_that_says_something_else_is_named(cut_run, data):
    path = cut_run / "decisions.jsonl"
    good, lines = path.read_bytes(), durable.read_lines(path)
    other = data.draw(with_another_cut(lines))
    assume(other != lines)
    path.write_bytes(b"".join(map(line, other)))
    try:
        assert verify(cut_run) != []
    finally:
        path.write_bytes(good)


@often
@given(st.text(max_size=40), st.integers(0, 60))
def test_a_torn_or_damaged_tail_never_hides_what_was_committed(tmp_path, tail, position):
    """Whatever stands after the last newline is dropped, and the next line is whole again."""
    path = tmp_path / "epochs.jsonl"
    path.write_bytes(line(row) + tail.replace("\n", "").encode("utf-8", "surrogatepass")[:position])
    durable.append(path, {"epoch": 2, **{key: value for key, value in row.items() if key != "epoch"}})
    rows, _ = ledger.read_epochs(path, ACCURACY)
    assert [one["epoch"] for one in rows] == [1, 2]
