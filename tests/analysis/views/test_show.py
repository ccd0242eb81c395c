"""`show`: one trial, whole, as text and as data."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis import lookup
from analysis.__main__ import app
from analysis.render import terminal
from analysis.views import show
from search.run import ledger
from search.run.ledger import Run, Trial
from trainables.cli.execution import execute
from trainables.trial import timing

Make = Callable[..., Trial]
MakeRun = Callable[..., Run]


def test_the_winner_has_configuration_curve_files_and_command(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert execute(app, "analysis", ["show", "lr_sweep-digits"]) == 0
    out = capsys.readouterr().out
    trial = lookup.winner(ledger.read(written))
    assert out.startswith(f"# {trial.label} of lr_sweep-digits: finished, rank 1 of 3 trials")
    assert "| lr              | 0.0005" in out
    assert "99.67 % validation accuracy at epoch 2" in out
    assert "| epochs.jsonl |" in out
    assert f"python run_search.py --reproduce lr_sweep-digits/{trial.label}\n" in out
    assert "99.67 ┤" in out and "92.00 ┤" in out


def test_json_is_a_list_of_one_row_with_its_curve(written: Path) -> None:
    run = ledger.read(written)
    (row,) = json.loads(show.show(run, run.trials[2], "json"))
    assert (row["id"], row["index"], row["rank"]) == (run.trials[2].id, 2, 2)
    assert row["curve"] == run.trials[2].epochs
    assert row["config"] == run.trials[2].config


def test_csv_is_a_line_for_each_epoch(written: Path) -> None:
    run = ledger.read(written)
    lines = list(csv.DictReader(io.StringIO(show.show(run, run.trials[0], "csv"))))
    assert [float(line["val_accuracy"]) for line in lines] == [0.90, 0.97, 0.99]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("failed", "Failed: RuntimeError: broken in train.py:12; see error.txt."),
        ("diverged", "no longer a finite number in epoch 3"),
        ("stopped", "Stopped early by the scheduler after epoch 2."),
        ("planned", "not started"),
    ],
)
def test_how_it_ended_is_said(trial: Make, run: MakeRun, status: str, words: str) -> None:
    values = () if status == "planned" else (0.5, 0.6)
    found = run([trial(0, values, status, epochs=9), trial(1, (0.5,) * 9, lr=0.5)])
    for form in ("md", "csv", "json"):
        text = show.show(found, found.trials[0], form)
        assert form != "md" or words in text
        assert form != "md" or (", rank " in text) == (status == "stopped"), "as in the leaderboard"


def test_a_folder_of_images_has_to_be_named_in_the_command(trial: Make, run: MakeRun) -> None:
    found = run([trial(0, (0.5,))], dataset="pets-1a2b", dataset_title="pets")
    assert "--dataset folder:/path/to/pets" in show.reproduce(found, found.trials[0])


@given(st.lists(st.floats(0, 100), min_size=1, max_size=200))
def test_any_curve_is_a_picture_of_the_same_size(values: list[float]) -> None:
    lines = terminal.plot(values).splitlines()
    assert len(lines) == terminal.HEIGHT + 2
    assert max(map(len, lines)) <= terminal.WIDTH + 8
    assert any(0x2800 < ord(character) <= 0x28FF for line in lines for character in line)


def test_a_rising_curve_rises() -> None:
    lines = terminal.plot([1.0, 2.0, 3.0]).splitlines()
    ends = [len(line) for line in lines[: terminal.HEIGHT]]
    assert ends == sorted(ends, reverse=True)


def test_with_seeds_the_rank_is_among_configurations(seeded: Run) -> None:
    text = show.show(seeded, seeded.trials[3], "md")
    assert ", rank 1 of 3 configurations" in text
    assert "Its configuration: 94.83 %, mean of 3 seeds (from 94.00 to 95.50)." in text


def test_why_a_trial_was_not_replayed_as_graphs_is_said(trial: Make, run: MakeRun, tmp_path: Path) -> None:
    """By an engine, on a GPU; results.md does not differ."""
    found, why = run([trial(0, (0.5,))]), "train: operation not permitted when stream is capturing"
    one = replace(found.trials[0], folder=tmp_path / "0000")
    assert "called one by one" not in show.show(found, one, "md")
    one.folder.mkdir(parents=True, exist_ok=True)
    for _ in range(2):
        timing.note(one.folder, {"called": why})
    assert f"not replayed as graphs: {why}." in show.show(found, one, "md")
    assert json.loads(show.show(found, one, "json"))[0]["called"] == [why]
