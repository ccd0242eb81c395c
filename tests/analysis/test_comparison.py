"""Ties with the best: paired where predictions are there, unpaired and said so where they are not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from analysis import comparison, results, statistics
from search import ledger
from search.ledger import Run, Trial

IMAGES = 300
Make = Callable[..., Trial]
MakeRun = Callable[..., Run]
Write = Callable[[Path, Run], Path]
WriteCorrect = Callable[[Path, Trial, np.ndarray], None]


def predictions(*wrong: int) -> np.ndarray:
    correct = np.ones(IMAGES, bool)
    correct[list(wrong)] = False
    return correct


@pytest.fixture
def compared(
    trial: Make, run: MakeRun, save: Write, correct: WriteCorrect, tmp_path: Path
) -> Callable[..., ledger.Run]:
    """A run of finished trials, each right on these validation images."""

    def make(*rows: np.ndarray | None, values: tuple[float, ...] = ()) -> ledger.Run:
        accuracies = values or tuple(float(row.mean()) for row in rows if row is not None)
        trials = [trial(index, (0.1, value)) for index, value in enumerate(accuracies)]
        folder = save(tmp_path / "run", run(trials))
        for one, row in zip(trials, rows, strict=False):
            if row is not None:
                correct(folder, one, row)
        return ledger.read(folder)

    return make


def test_pairing_tells_apart_what_counts_alone_cannot(compared: Callable[..., ledger.Run]) -> None:
    """Eight images more on top of the same ones: significant in pairs, invisible to independent counts."""
    best, worse = predictions(*range(20)), predictions(*range(28))
    ranked = results.rank(compared(best, worse))
    assert ranked["test"].dropna().tolist() == [comparison.PAIRED]
    assert ranked["tied"].tolist() == [True, False]
    assert ranked["p_value"][1] == pytest.approx(binomtest(8, 8).pvalue)
    assert statistics.two_proportions(280, 272, IMAGES) > 0.05


def test_different_mistakes_make_a_tie(compared: Callable[..., ledger.Run]) -> None:
    ranked = results.rank(compared(predictions(*range(20)), predictions(*range(100, 128))))
    assert ranked["tied"].tolist() == [True, True]


def test_without_predictions_independent_counts_are_compared(compared: Callable[..., ledger.Run]) -> None:
    ranked = results.rank(compared(predictions(0), None, values=(299 / 300, 298 / 300)))
    assert ranked["test"].dropna().tolist() == [comparison.UNPAIRED]
    assert ranked["p_value"][1] == pytest.approx(statistics.two_proportions(299, 298, IMAGES))


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:100]),
        lambda path: np.savez(path, correct=predictions(5), epoch=1),
        lambda path: np.savez(path, correct=predictions(5, 6), epoch=2),
        lambda path: np.savez(path, correct=np.arange(400) < IMAGES - 1, epoch=2),
        lambda path: np.savez(path, epoch=2),
    ],
    ids=["torn", "another epoch", "another count", "another split", "no array"],
)
def test_predictions_that_disagree_with_the_ledger_are_not_used(
    compared: Callable[..., ledger.Run], damage: Callable[[Path], object]
) -> None:
    found = compared(predictions(0), predictions(5))
    assert results.rank(found)["test"][1] == comparison.PAIRED
    damage(found.trials[1].folder / "val.npz")
    assert results.rank(found)["test"][1] == comparison.UNPAIRED


def test_many_comparisons_are_adjusted(compared: Callable[..., ledger.Run]) -> None:
    """One p-value of 0.03 is a difference, the smallest of many such is none."""
    best = predictions(*range(100, 110))
    worse = predictions(*range(100, 110), *range(6))  # six discordant images: p = 0.031
    assert results.rank(compared(best, worse))["tied"].tolist() == [True, False]


def test_many_comparisons_are_adjusted_for_each_other(compared: Callable[..., ledger.Run]) -> None:
    best = predictions(*range(100, 110))
    others = [predictions(*range(100, 110), *range(6)) for _ in range(4)]
    ranked = results.rank(compared(best, *others))
    assert ranked["tied"].all()
    assert ranked["p_value"][1] == pytest.approx(4 * binomtest(6, 6).pvalue)


def test_skipping_predictions_changes_no_tie(
    compared: Callable[..., ledger.Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clear differences are not read from disk; ties are the same as if they were."""
    dice = np.random.default_rng(0)
    rows = [dice.random(IMAGES) > wrong for wrong in (0.05, 0.06, 0.08, 0.12, 0.2, 0.5, 0.9)]
    found = compared(*rows)
    quick = results.rank(found)
    monkeypatch.setattr(statistics, "largest_mcnemar", lambda *_: 1.0)
    thorough = results.rank(found)
    assert quick["tied"].tolist() == thorough["tied"].tolist()
    assert not quick["p_value"].equals(thorough["p_value"])


def test_stopped_trials_are_not_compared(trial: Make, run: MakeRun) -> None:
    ranked = results.rank(run([trial(0, (0.5, 0.5)), trial(1, (0.9,), "stopped", epochs=2)]))
    assert ranked["tied"].tolist() == [True, False]
    assert ranked["test"].isna().all()


def test_one_finished_trial_is_compared_with_nothing(trial: Make, run: MakeRun) -> None:
    ranked = results.rank(run([trial(0, (0.5,))]))
    assert ranked["tied"].tolist() == [True]
    assert ranked["test"].isna().all()


@pytest.mark.parametrize("status", ["planned", "failed"])
def test_without_a_finished_trial_nothing_is_tied(trial: Make, run: MakeRun, status: str) -> None:
    assert not results.rank(run([trial(0, (), status)]))["tied"].any()
