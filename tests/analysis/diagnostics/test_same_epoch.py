"""Configurations are compared at one epoch: not the last one of each, which early stopping chose."""

from collections.abc import Callable

import pytest

from analysis.diagnostics.same_epoch import compare, shared_epoch
from search.run.ledger import Run, Trial

Make = Callable[..., Trial]
FLAT = (0.5, 0.7, 0.9, 0.9, 0.9)


def test_the_epoch_is_one_that_half_of_the_trials_reached(trial: Make) -> None:
    trials = [trial(0, FLAT), trial(1, FLAT[:3]), trial(2, FLAT[:3]), trial(3, FLAT[:1])]
    assert shared_epoch(trials) == 3
    assert shared_epoch([]) == 1


def test_what_diverged_or_failed_makes_nobody_shorter(trial: Make) -> None:
    lost = [trial(place, FLAT[:1], status) for place, status in ((2, "diverged"), (3, "failed"), (4, "diverged"))]
    assert shared_epoch([trial(0, FLAT), trial(1, FLAT), *lost]) == 5


def test_a_value_is_the_best_up_to_the_epoch_and_shorter_trials_are_counted(trial: Make) -> None:
    trials = [trial(0, (0.6, 0.5, 0.9), lr=0.1), trial(1, (0.4, 0.7), lr=0.2), trial(2, (0.8,), "stopped", lr=0.3)]
    found = compare(trials)
    assert (found.epoch, found.shorter) == (2, 1)
    assert [(entry.config["lr"], entry.value) for entry in found.entries] == [(0.1, 0.6), (0.2, 0.7)]


def test_a_diverged_trial_is_the_worst_and_a_failed_one_says_nothing(trial: Make) -> None:
    trials = [trial(0, FLAT, lr=0.1), trial(1, (), "diverged", lr=0.2), trial(2, FLAT[:4], "failed", lr=0.3)]
    found = compare(trials)
    assert [(entry.value, entry.is_diverged) for entry in found.entries] == [(0.9, False), (0.0, True)]
    assert [entry.config["lr"] for entry in found.valued] == [0.1]


def test_the_seeds_of_a_configuration_are_one_entry(seeded: Run, seed_values: dict[float, tuple[float, ...]]) -> None:
    found = compare(seeded.trials)
    assert {entry.config["lr"]: entry.value for entry in found.entries} == {
        lr: pytest.approx(sum(values) / 3) for lr, values in seed_values.items()
    }
