"""`run_search.py --reproduce`: real networks trained again, held against rows as they were and as they were not."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import run_search
from analysis.cli import reproduce
from trainables.cli.execution import execute
from trainables.objective import LOSS

Again = Callable[..., tuple[int, str, str]]


@pytest.fixture
def again(trained_run: Path, digits: Path, capsys: pytest.CaptureFixture[str]) -> Again:
    def call(identifier: str, *words: str) -> tuple[int, str, str]:
        name = f"{trained_run}{identifier}"
        code = execute(run_search.app, "run_search.py", ["--reproduce", name, "--data-dir", str(digits), *words])
        return code, *capsys.readouterr()

    return call


def ledger_of(run: Path, index: int) -> Path:
    (found,) = run.glob(f"trials/{index:04d}-*/epochs.jsonl")
    return found


def edit(path: Path, line: int, **changes: object) -> None:
    lines = [json.loads(text) for text in path.read_text().splitlines()]
    lines[line] |= changes
    path.write_text("".join(json.dumps(record) + "\n" for record in lines))


@pytest.mark.parametrize(("identifier", "epochs"), [("", 2), ("/0", 2), ("/2", 1)])
def test_the_same_machine_gives_the_same_rows(again: Again, identifier: str, epochs: int) -> None:
    """The winner, any finished trial, and one that was stopped early, which is trained no further than it was."""
    code, out, err = again(identifier)
    assert code == 0
    assert f": identical ({epochs} epoch" in out
    assert f"epoch {epochs}/2" in err


def test_a_small_difference_is_within_noise_and_its_epoch_is_named(again: Again, trained_run: Path) -> None:
    edit(ledger_of(trained_run, 0), 1, val_loss=0.5)
    code, out, _ = again("/0", "--quiet")
    assert code == 0
    assert ": within noise (2 epochs recorded" in out
    assert "first difference: epoch 2: val_loss" in out


def test_a_large_difference_is_different_and_the_exit_code_says_so(again: Again, trained_run: Path) -> None:
    edit(ledger_of(trained_run, 0), 0, val_accuracy=0.999)
    code, out, _ = again("/0", "--quiet")
    assert code == 1
    assert ": different (" in out
    assert "first difference: epoch 1: val_accuracy" in out
    assert "code was c0de and is now" in out


def test_where_trials_are_judged_by_loss_a_difference_is_not_called_noise(again: Again, trained_run: Path) -> None:
    """The same difference is noise to the accuracies of both networks, which are not what the run goes by."""
    facts = json.loads((trained_run / "run.json").read_text())
    (trained_run / "run.json").write_text(json.dumps(facts | {"objective": LOSS.record()}))
    code, out, _ = again("/0", "--quiet")
    assert (code, "best val_loss: recorded " in out) == (0, True)
    edit(ledger_of(trained_run, 0), 1, val_loss=0.5)
    code, out, _ = again("/0", "--quiet")
    assert code == 1
    assert ": different (" in out
    assert "best val_loss: recorded 0.5000 at epoch 2, again " in out
    assert "no test over images exists for val_loss, so any difference counts as different" in out


def test_it_is_kept_where_it_is_asked_to_be(again: Again, trained_run: Path, tmp_path: Path) -> None:
    assert again("/0", "--out", str(tmp_path / "kept"), "--quiet")[0] == 0
    assert (tmp_path / "kept" / "epochs.jsonl").read_bytes() == ledger_of(trained_run, 0).read_bytes()
    assert again("/0", "--out", str(tmp_path / "kept"), "--quiet")[1].startswith("lr_sweep-digits/0000-")


def test_the_run_itself_is_left_as_it_is(again: Again, trained_run: Path) -> None:
    before = {path: path.read_bytes() for path in trained_run.rglob("*") if path.is_file()}
    again("/1", "--quiet")
    assert {path: path.read_bytes() for path in trained_run.rglob("*") if path.is_file()} == before


def test_other_images_are_refused(again: Again, trained_run: Path) -> None:
    facts = json.loads((trained_run / "run.json").read_text())
    (trained_run / "run.json").write_text(json.dumps(facts | {"fingerprint": "0" * 64}))
    code, out, err = again("/0")
    assert (code, out) == (4, "")
    assert err.startswith("error[data]: other images: digits: fingerprint")


def test_a_folder_of_images_has_to_be_named(again: Again, trained_run: Path) -> None:
    facts = json.loads((trained_run / "run.json").read_text())
    (trained_run / "run.json").write_text(json.dumps(facts | {"dataset": "pets-12ab", "dataset_title": "pets"}))
    code, _, err = again("/0")
    assert code == 2
    assert "--dataset folder:/path/to/pets" in err
    assert again("/0", "--dataset", "digits", "--quiet")[0] == 0


def test_what_was_never_trained_cannot_be_compared(again: Again, trained_run: Path) -> None:
    ledger_of(trained_run, 0).unlink()
    code, _, err = again("/0")
    assert code == 5
    assert "nothing to compare with" in err


def test_a_divergence_is_seen_again(again: Again, trained_run: Path, trained_once: Path) -> None:
    path = ledger_of(trained_run, 0)
    rows = path.read_text().splitlines()[:-1]
    path.write_text("\n".join([*rows, '{"outcome": "diverged", "epoch": 3}', ""]))
    code, out, _ = again("/0", "--quiet")
    assert code == 1
    assert "first difference: how it ended: outcome" in out


def test_predictions_on_the_same_images_are_compared_in_pairs(trained_run: Path) -> None:
    """With val.npz of both the paired test decides; without, the one that knows the counts alone."""
    from search.run import ledger

    run = ledger.read(trained_run)
    trial = run.trials[0]
    images = run.identity.sizes["val"]
    assert reproduce.is_noise(trial, trial.epochs, trial.folder, images)
    assert trial.best is not None
    hits = round(trial.best["val_accuracy"] * images)
    (trial.folder / "val.npz").unlink()
    worse = [{**row, "val_accuracy": max(0.0, (hits - 60) / images)} for row in trial.epochs]
    assert not reproduce.is_noise(trial, worse, trial.folder, images)
    assert np.isfinite(hits)
