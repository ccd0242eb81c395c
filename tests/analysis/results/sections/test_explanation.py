"""The legend says of a run what holds for that run: which luck is allowed for, and how early stopping judged."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from analysis.ranking.standing import stand
from analysis.render.markdown import plain
from analysis.results import page
from analysis.results.sections import checks, explanation
from search.run.ledger import Run, Trial

Rates = dict[float, tuple[float, ...]]


def legend(run: Run) -> str:
    return plain(tuple(page.meaning(run, stand(run)).values()))


def moved_by_seed(run: Run, far: float) -> Run:
    """The same run, whose second seed is better by so much for every configuration, and its third worse."""
    shift = {0: 0.0, 1: far, 2: -far}
    trials = [
        dataclasses.replace(
            each, epochs=[row | {"val_accuracy": row["val_accuracy"] + shift[each.seed]} for row in each.epochs]
        )
        for each in run.trials
    ]
    return dataclasses.replace(run, trials=trials)


def test_what_a_seed_does_to_all_alike_is_no_luck_of_the_best(seeded: Run, seed_values: Rates) -> None:
    """It changes no order, so neither the luck of the best nor the noise of a difference has it."""
    values = np.array(list(seed_values.values()))
    rest = values - values.mean(axis=0)
    error = (rest.var(axis=1, ddof=1).mean() * 3 / 2 / 3) ** 0.5
    for far in (0.0, 0.02):
        run = moved_by_seed(seeded, far)
        assert checks.noise(run, stand(run)) == pytest.approx(error)
        assert f"on top about {100 * 0.8463 * error:.2f} points above its true value, on average." in legend(run)


def stopped_on(run: Run, seeds: set[int]) -> Run:
    """The same run, in which the last configuration was stopped after its first epoch on these seeds."""
    last = run.trials[-1].config["lr"]
    trials = [
        dataclasses.replace(each, epochs=each.epochs[:1], outcome=None, stopped_at=1)
        if each.config["lr"] == last and each.seed in seeds
        else each
        for each in run.trials
    ]
    return dataclasses.replace(run, trials=trials)


def test_seeds_that_were_judged_together_are_not_said_to_be_judged_each(seeded: Run) -> None:
    """A ladder stops all seeds of a configuration at one epoch; older runs by ASHA stopped some and not others."""
    together, each = legend(stopped_on(seeded, {0, 1, 2})), legend(stopped_on(seeded, {0}))
    assert "judged each seed by itself" not in together
    assert "by the mean of what its seeds had reached. That is of a shorter training" in together
    assert "Early stopping judged each seed by itself" in each


def test_no_seed_shows_a_configuration_to_be_better_but_fresh_ones_may(confirmed: Run) -> None:
    """Of the rows of the search alone: the confirmation of this run has a winner that is ahead."""
    one = dataclasses.replace(confirmed, totals=dataclasses.replace(confirmed.totals, confirm_seeds=1))
    seeds = [each.seed for each in confirmed.trials if each.source == "confirm"]
    one = dataclasses.replace(
        one, trials=[each for each in confirmed.trials if each.source != "confirm" or each.seed == min(seeds)]
    )
    assert "so these rows show no configuration to be better than another" in legend(one)
    assert "so these rows show no configuration" not in legend(confirmed), "its tests allow for another seed"


@pytest.mark.parametrize("number", [2, 3])
def test_of_one_pair_nothing_is_adjusted(trial: Callable[..., Trial], run: Callable[..., Run], number: int) -> None:
    found = run([trial(place, (0.9 - place / 100,), lr=0.1 + place) for place in range(number)])
    assert ("It is adjusted by Holm for all 3 pairs" in legend(found)) == (number == 3)
    assert explanation.adjusted(1) == ""
