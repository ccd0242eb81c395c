"""The test split is read for the winner, after it was chosen, on record before it happens, and once."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from analysis.ranking import comparison, test_scores
from analysis.results import page
from search.run import ledger
from search.run.ledger import Run, Trial
from trainables.data import loading
from trainables.errors import RunError
from trainables.files import durable
from trainables.training.definition import Training
from trainables.trial import checkpointing as trials
from trainables.trial import timing

Make = Callable[..., Trial]
MakeRun = Callable[..., Run]
WriteRun = Callable[[Path, Run], Path]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return loading.prepare("digits", tmp_path_factory.mktemp("data") / "data", progress=False)


@pytest.fixture(scope="module")
def trained(
    cache: Path, trial: Make, run: MakeRun, save: WriteRun, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """A run of two small networks, really trained for one epoch on digits."""
    images = loading.load(cache)
    planned = [
        trial(index, (), epochs=1, depth=1, width=32, lr=lr, augment="none") for index, lr in enumerate((0.1, 0.0001))
    ]
    facts = {"fingerprint": images.fingerprint, "sizes": images.sizes, "classes": list(images.classes)}
    folder = save(tmp_path_factory.mktemp("runs") / "lr_sweep-digits", run(planned, **facts))
    for each in planned:
        list(trials.run(folder / each.folder, Training(each.config, images, seed=0, device="cpu", precision="fp32")))
    return folder, cache


@pytest.fixture
def folder(trained: tuple[Path, Path]) -> Path:
    (trained[0] / "tests.jsonl").unlink(missing_ok=True)
    return trained[0]


def lines(folder: Path) -> list[tuple[str, int]]:
    return [(line["state"], line["trial"]) for line in durable.read_lines(folder / "tests.jsonl")]


def test_the_winner_is_scored_once(folder: Path, cache: Path) -> None:
    for _ in range(2):
        test_scores.test_winner(ledger.read(folder), cache)
    assert lines(folder) == [("intent", 0), ("done", 0)]
    run = ledger.read(folder)
    metrics = test_scores.evaluation(run, 0, 1)
    assert metrics is not None
    assert metrics["count"] == 300
    assert metrics["accuracy"] == pytest.approx(run.trials[0].epochs[0]["val_accuracy"], abs=0.12)
    assert f"On the test split: {100 * metrics['accuracy']:.2f} %, by this network." in page.render(run)


def test_a_reading_is_on_record_before_it_happens(folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed while it reads, and run again: two lines of intent, one reading."""

    def killed(_: Path) -> loading.Split:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loading, "load_test", killed)
        with pytest.raises(KeyboardInterrupt):
            test_scores.test_winner(ledger.read(folder), cache)
    assert lines(folder) == [("intent", 0)]
    test_scores.test_winner(ledger.read(folder), cache)
    assert lines(folder) == [("intent", 0), ("intent", 0), ("done", 0)]
    assert test_scores.reads(ledger.read(folder)) == 1


def test_the_winner_is_scored_where_it_was_trained(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that a search was told to leave alone may be full, or too old for this torch."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    one = ledger.read(folder).trials[0]
    assert test_scores.device_of(one) == "cpu"
    timing.note(one.folder, timing.epoch_line(1, 1.0, 100, "cuda"))
    assert test_scores.device_of(one) == "cuda"
    timing.note(one.folder, timing.epoch_line(1, 1.0, 100, "cpu"))
    assert test_scores.device_of(one) == "cpu"


def test_it_is_scored_by_as_many_threads_as_trained_it(folder: Path, cache: Path, threads_seen: list[int]) -> None:
    """A network's last bit of bfloat16 depends on them."""
    run = ledger.read(folder)
    test_scores.test_winner(run, cache)
    assert threads_seen == [run.identity.threads]


def test_an_unfinished_search_leaves_the_test_split_closed(folder: Path, cache: Path) -> None:
    run = ledger.read(folder)
    test_scores.test_winner(dataclasses.replace(run, totals=dataclasses.replace(run.totals, trials=3)), cache)
    assert lines(folder) == []


def test_without_a_winner_the_test_split_stays_closed(
    trial: Make, run: MakeRun, save: WriteRun, tmp_path: Path
) -> None:
    folder = save(tmp_path / "run", run([trial(0, (), "failed")]))
    test_scores.test_winner(ledger.read(folder), tmp_path / "no cache")
    assert lines(folder) == []


def test_other_images_are_refused(folder: Path, cache: Path) -> None:
    run = ledger.read(folder)
    other = dataclasses.replace(run, identity=dataclasses.replace(run.identity, fingerprint="another"))
    with pytest.raises(RunError, match="other images"):
        test_scores.test_winner(other, cache)


def test_weights_of_another_epoch_are_refused(folder: Path, cache: Path) -> None:
    run = ledger.read(folder)
    longer = dataclasses.replace(
        run.trials[0], epochs=[*run.trials[0].epochs, {**run.trials[0].epochs[0], "epoch": 2, "val_accuracy": 1.0}]
    )
    with pytest.raises(RunError, match="wrong weights"):
        test_scores.test_winner(dataclasses.replace(run, trials=[longer, run.trials[1]]), cache)
    assert lines(folder) == []


def test_real_predictions_are_compared_in_pairs(folder: Path) -> None:
    """What a trial writes is what the comparison reads."""
    ranked = page.rank(ledger.read(folder))
    assert ranked["test"].dropna().tolist() == [comparison.PAIRED]
    assert np.isfinite(ranked["p_value"][1])


def test_weights_that_were_not_kept_are_a_note_and_no_error(
    folder: Path, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A search that grew may have a winner whose weights were dropped when it was smaller."""
    copy = Path(shutil.copytree(folder, tmp_path / folder.name))
    for path in copy.glob("trials/*/best.*"):
        path.unlink()
    test_scores.test_winner(ledger.read(copy), cache)
    assert "weights were not kept" in capsys.readouterr().err
    assert not (copy / "tests.jsonl").exists() or lines(copy) == []
