"""Ties with the best: paired where predictions are there, unpaired and said so where they are not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from analysis.ranking import comparison, statistics
from analysis.results import page
from search.run import ledger
from search.run.ledger import Run, Trial

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
    ranked = page.rank(compared(best, worse))
    assert ranked["test"].dropna().tolist() == [comparison.PAIRED]
    assert ranked["tied"].tolist() == [True, False]
    assert ranked["p_value"][1] == pytest.approx(binomtest(8, 8).pvalue)
    assert statistics.two_proportions(280, 272, IMAGES) > 0.05


def test_different_mistakes_make_a_tie(compared: Callable[..., ledger.Run]) -> None:
    ranked = page.rank(compared(predictions(*range(20)), predictions(*range(100, 128))))
    assert ranked["tied"].tolist() == [True, True]


def test_without_predictions_independent_counts_are_compared(compared: Callable[..., ledger.Run]) -> None:
    ranked = page.rank(compared(predictions(0), None, values=(299 / 300, 298 / 300)))
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
    assert page.rank(found)["test"][1] == comparison.PAIRED
    damage(found.trials[1].folder / "val.npz")
    assert page.rank(found)["test"][1] == comparison.UNPAIRED


def test_one_small_p_value_is_a_difference(compared: Callable[..., ledger.Run]) -> None:
    best = predictions(*range(100, 110))
    worse = predictions(*range(100, 110), *range(6))  # six discordant images: p = 0.031
    assert page.rank(compared(best, worse))["tied"].tolist() == [True, False]


def test_all_pairs_are_adjusted_for_not_only_those_with_the_best(compared: Callable[..., ledger.Run]) -> None:
    best = predictions(*range(100, 110))
    others = [predictions(*range(100, 110), *range(6)) for _ in range(4)]
    ranked = page.rank(compared(best, *others))
    assert ranked["tied"].all()
    assert ranked["p_value"][1] == pytest.approx(10 * binomtest(6, 6).pvalue)


def test_places_tell_how_far_a_row_may_move(compared: Callable[..., ledger.Run]) -> None:
    """Two that cannot be told apart, and one that is clearly worse than both."""
    best, second = predictions(*range(20)), predictions(*range(100, 123))
    ranked = page.rank(compared(best, second, predictions(*range(120))))
    assert ranked["first_place"].tolist() == [1, 1, 3]
    assert ranked["last_place"].tolist() == [2, 2, 3]


@pytest.mark.parametrize("exact", [1, 3, 5])
def test_rows_compared_by_their_counts_alone_are_never_called_worse_too_easily(
    compared: Callable[..., ledger.Run], monkeypatch: pytest.MonkeyPatch, exact: int
) -> None:
    """A bound in the place of predictions may lose a difference, and finds the clear ones; it invents none."""
    dice = np.random.default_rng(0)
    rows = [dice.random(IMAGES) > wrong for wrong in (0.05, 0.06, 0.08, 0.12, 0.2, 0.5, 0.9)]
    found = compared(*rows)
    thorough = page.rank(found)
    monkeypatch.setattr(comparison, "EXACT", exact)
    quick = page.rank(found)
    assert set(quick["test"][1:]) == {comparison.COUNTS} | ({comparison.PAIRED} if exact > 1 else set())
    assert (quick["tied"] >= thorough["tied"]).all()
    assert quick["tied"].tolist()[-2:] == [False, False]
    placed = quick["first_place"].notna()
    assert placed.sum() == exact
    assert (quick["first_place"] <= thorough["first_place"])[placed].all()
    assert (quick["last_place"] >= thorough["last_place"])[placed].all()


@given(st.lists(st.integers(0, 60), min_size=2, max_size=12), st.integers(1, 12))
def test_clear_pairs_are_counted_as_by_looking_at_each(counts: list[int], number: int) -> None:
    hits, exact = np.sort(np.array(counts))[::-1], np.arange(min(number, len(counts)))
    bounds = comparison.Bounds(hits, exact, 60)
    bounds.clear = 0.05
    outside = [(i, j) for i in range(len(hits)) for j in range(i + 1, len(hits)) if j >= len(exact)]
    is_clear = [statistics.largest_mcnemar(hits[i], hits[j], 60) <= 0.05 for i, j in outside]
    assert bounds.number() == sum(is_clear)


def test_stopped_trials_are_not_compared(trial: Make, run: MakeRun) -> None:
    ranked = page.rank(run([trial(0, (0.5, 0.5)), trial(1, (0.9,), "stopped", epochs=2)]))
    assert ranked["tied"].tolist() == [True, False]
    assert ranked["test"].isna().all()


def test_one_finished_trial_is_compared_with_nothing(trial: Make, run: MakeRun) -> None:
    ranked = page.rank(run([trial(0, (0.5,))]))
    assert ranked["tied"].tolist() == [True]
    assert ranked["test"].isna().all()


@pytest.mark.parametrize("status", ["planned", "failed"])
def test_without_a_finished_trial_nothing_is_tied(trial: Make, run: MakeRun, status: str) -> None:
    assert not page.rank(run([trial(0, (), status)]))["tied"].any()
