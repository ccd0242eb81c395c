"""Trials that take turns have the rows they have alone: pytest tests/trainables/engine/test_engine.py"""

import io
import itertools

import pytest
import torch

from trainables.config import complete
from trainables.engine.engine import Work, run
from trainables.engine.lanes import HostLane
from trainables.training.definition import Training
from trainables.training.loop import train

pytestmark = pytest.mark.usefixtures("one_thread")


MIXED = [
    {"model": "mlp", "width": 32, "depth": 2, "optimizer": "adamw", "dropout": 0.3, "augment": "cutmix", "ema": 0.5},
    {"model": "convnet", "width": 4, "depth": 2, "optimizer": "sgd", "lr": 0.05, "augment": "standard", "epochs": 2},
    {"model": "mlp", "width": 16, "depth": 1, "optimizer": "muon", "dropout": 0.5, "augment": "mixup", "batch_size": 33},
    {"model": "mlp", "width": 16, "depth": 1, "optimizer": "sgd", "momentum": 0.0, "schedule": "onecycle", "batch_size": 50},
    {"model": "speed_net", "width": 2, "optimizer": "sgd", "lr": 0.1, "ema": 1.0, "augment": "cutout", "epochs": 2},
]  # fmt: skip


def trainings(toy, count):
    """So many trials, no two alike; the first ones are all different in kind."""
    cases = itertools.islice(itertools.cycle(MIXED), count)
    basis = {"batch_size": 20, "lr": 0.01, "epochs": 3}
    return [
        Training(complete(basis | case), toy, seed=seed, device="cpu", precision="fp32" if seed % 2 else "bf16")
        for seed, case in enumerate(cases)
    ]


def in_engine(lanes, given, until=None, states=None):
    """Rows of each trial, the last state of each, and the notes; each trial ends after `until` epochs of this run."""
    rows, saved, notes = [[] for _ in given], {}, []

    def work(place, training):
        def heard(epoch):
            rows[place].append(epoch.metrics)
            buffer = io.BytesIO()
            torch.save(epoch.state(), buffer)
            saved[place] = torch.load(io.BytesIO(buffer.getvalue()), weights_only=True)
            return until is None or len(rows[place]) < until

        def ended(error):
            if error:
                raise error

        return Work(
            training=training, heard=heard, ended=ended, noted=notes.append, state=states[place] if states else None
        )

    todo = iter([work(place, training) for place, training in enumerate(given)])
    run(lanes, lambda: next(todo, None))
    return rows, saved, notes


def alone(given):
    return [[epoch.metrics for epoch in train(training)] for training in given]


@pytest.mark.parametrize("captures", [False, True])
@pytest.mark.parametrize("count", [1, 2, 5, 16])
def test_rows_are_those_of_trials_that_run_alone(toy, count, captures):
    given = trainings(toy, count)
    rows, _, notes = in_engine([HostLane(captures) for _ in range(min(count, 6))], given)
    assert rows == alone(given)
    assert notes == []


@pytest.mark.parametrize("captures", [False, True])
def test_a_trial_that_is_ended_and_continued_has_the_same_rows(toy, captures):
    given = trainings(toy, 5)
    first, states, _ = in_engine([HostLane(captures) for _ in range(3)], given, until=1)
    rest, last, notes = in_engine([HostLane(captures) for _ in range(3)], given, states=states)
    assert [one + other for one, other in zip(first, rest, strict=True)] == alone(given)
    whole = in_engine([HostLane(captures) for _ in range(5)], given)[1]
    for place, state in last.items():
        for name, weight in state["model"].items():
            assert torch.equal(weight, whole[place]["model"][name])
    assert notes == []
