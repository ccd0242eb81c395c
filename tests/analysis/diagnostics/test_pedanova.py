"""PED-ANOVA for many selections at once gives the numbers of Optuna's evaluator for each of them."""

import warnings

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from analysis.diagnostics import pedanova
from analysis.diagnostics.importance import BEST, best_in, is_best
from analysis.frame.ranges import parse

RANGES: list[tuple[str, BaseDistribution]] = [
    ("loguniform(0.0001, 0.1)", FloatDistribution(1e-4, 0.1, log=True)),
    ("uniform(0, 0.5)", FloatDistribution(0, 0.5)),
    ("integers(1, 4)", IntDistribution(1, 4)),
    ("integers(1, 400)", IntDistribution(1, 400)),
    ("logintegers(16, 1024)", IntDistribution(16, 1024, log=True)),
    ("choice(1, 2, 3)", CategoricalDistribution([1, 2, 3])),
]


def drawn(text: str, number: int, dice: np.random.Generator) -> list[float]:
    own = parse(text)
    assert own is not None
    if own.values:
        return dice.choice(own.numbers, number).astype(int).tolist()
    values = [own.at(position) for position in dice.random(number)]
    return [round(value) for value in values] if own.whole else values


@pytest.mark.parametrize(("text", "distribution"), RANGES, ids=[text for text, _ in RANGES])
@pytest.mark.parametrize("number", [5, 10, 60])
def test_it_is_optunas(text: str, distribution: BaseDistribution, number: int) -> None:
    """But for the square of the share of the best, by which Optuna multiplies all parameters alike."""
    from optuna.importance import PedAnovaImportanceEvaluator

    dice, own = np.random.default_rng(number), parse(text)
    assert own is not None
    values, accuracies = drawn(text, number, dice), dice.normal(size=number)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = optuna.create_study()
        study.add_trials(
            optuna.trial.create_trial(params={"x": x}, distributions={"x": distribution}, value=-y)
            for x, y in zip(values, accuracies, strict=True)
        )
        theirs = PedAnovaImportanceEvaluator(target_quantile=BEST).evaluate(study, ["x"])["x"]
    found, best = pedanova.binned(own, values), is_best(accuracies)
    every = np.bincount(found.places, minlength=found.bins)
    selections = np.vstack([every, best_in(found, best)])[1:]
    (ours,) = pedanova.divergence(selections, every, found.is_ordered)
    assert ours * best.mean() ** 2 == pytest.approx(theirs, rel=1e-9)


def test_each_selection_is_judged_by_itself() -> None:
    dice, every = np.random.default_rng(0), np.full(50, 3)
    many = dice.multivariate_hypergeometric(every, 30, size=20)
    together = pedanova.divergence(many, every, True)
    assert together == pytest.approx([pedanova.divergence(one[None], every, True)[0] for one in many])


@pytest.mark.parametrize("is_ordered", [True, False])
def test_the_best_that_are_all_are_like_all(is_ordered: bool) -> None:
    every = np.array([3, 0, 2, 5])
    assert pedanova.divergence(every[None], every, is_ordered) == pytest.approx([0], abs=1e-12)


def test_a_value_outside_of_an_interval_lies_at_its_end() -> None:
    own = parse("loguniform(0.001, 0.1)")
    assert own is not None
    assert pedanova.binned(own, [1e-5, 0.001, 0.1, 7.0]).places.tolist() == [0, 0, 49, 49]


def test_a_long_list_of_numbers_is_in_order() -> None:
    """Else each value would be a level of its own, of which nothing can be said."""
    own = parse(f"choice({', '.join(str(2**place) for place in range(30))})")
    assert own is not None
    found = pedanova.binned(own, [1, 2, 2**29])
    assert (found.places.tolist(), found.bins, found.is_ordered) == ([0, 1, 29], 30, True)
