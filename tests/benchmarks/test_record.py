"""Tables of measurements, saved and rendered: pytest tests/benchmarks/test_record.py"""

import json
import re
import subprocess

from benchmarks import record
from benchmarks.__main__ import run
from benchmarks.record import PARTS, Table, document, joined, keep, load, rendered, spread


def table(name="floor", **changed):
    given = {"columns": ["model", "ratio"], "rows": [["mlp", "0.91"]], "aim": "at least 0.9.", "reached": "0.91."}
    facts = {"machine": "2 cores", "date": "2026-11-22"}
    return Table(name, f"Title of {name}", f"python -m benchmarks.{name}", **{**given, **facts, **changed})


def test_a_table_is_read_back_as_it_was_kept(tmp_path):
    keep(table(notes="One run."), tmp_path / "tables", tmp_path / "RESULTS.md")
    assert load("floor", tmp_path / "tables") == table(notes="One run.")
    assert load("data", tmp_path / "tables") is None


def test_keeping_one_table_renders_all_of_them_in_the_order_of_the_parts(tmp_path):
    for name in ("memory", "data", "floor"):
        keep(table(name), tmp_path / "tables", tmp_path / "RESULTS.md")
    titles = re.findall("^## Title of (.*)$", (tmp_path / "RESULTS.md").read_text(), re.MULTILINE)
    assert titles == ["floor", "data", "memory"]


def test_a_rendered_table_says_command_machine_date_and_aim_beside_what_was_reached():
    text = rendered(table())
    assert "`python -m benchmarks.floor`, 2026-11-22, 2 cores." in text
    assert "| mlp     | 0.91    |" in text
    assert "Aim: at least 0.9. Reached: 0.91." in text
    assert "Aim" not in rendered(table(aim=""))


def test_a_second_sitting_replaces_its_rows_in_place_and_keeps_the_others():
    old = [["a", "1"], ["b", "2"], ["b", "3"], ["c", "4"]]
    assert joined(old, [["b", "5"], ["d", "6"]]) == [["a", "1"], ["b", "5"], ["d", "6"], ["c", "4"]]
    assert joined(old, [["e", "7"]]) == [*old, ["e", "7"]]
    assert joined(old, [["b", "3"]], key=2) == old


def test_several_runs_are_a_median_with_its_range_and_one_run_is_itself():
    assert spread([3.0, 1.0, 2.5]) == "2.50 s (1.00 to 3.00)"
    assert spread([3.0], "x", 1) == "3.0 x"


def test_the_committed_results_are_those_of_the_committed_tables():
    assert record.RESULTS.read_text() == document()
    for path in record.FOLDER.glob("*.json"):
        kept = Table(**json.loads(path.read_text()))
        assert kept.name == path.stem
        assert {len(row) for row in kept.rows} <= {len(kept.columns)}


def test_the_machine_is_named_with_cores_and_versions():
    assert re.search(
        r"^\d+ cores of .* \(.*(BF16|no bfloat16).*\), Python 3\.\d+\.\d+, torch \S+, Ray \S+$", record.machine()
    )


def test_a_part_that_fails_says_so_in_a_line_and_the_others_go_on(monkeypatch, capfd):
    monkeypatch.setitem(PARTS, "nowhere", 1)
    monkeypatch.setitem(PARTS, "__init__", 1)
    assert run(["nowhere", "__init__"]) == 1
    lines = capfd.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["nowhere", "nowhere", "__init__"]
    assert "No module named benchmarks.nowhere" in lines[1]


def test_the_data_set_is_handed_to_the_parts_that_train(monkeypatch):
    commands = []

    def pretend(command, **_):
        commands.append(command[2:])
        return subprocess.CompletedProcess(command, 0, stderr="")

    monkeypatch.setattr(subprocess, "run", pretend)
    assert run(["search", "scale"], "folder:images") == 0
    assert commands == [["benchmarks.search", "--dataset", "folder:images"], ["benchmarks.scale"]]
