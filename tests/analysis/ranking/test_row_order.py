"""A total order: independent of the order of lines, every trial exactly once."""

import random
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.frame import dataframe
from analysis.ranking import row_order
from search.run import order
from search.run.ledger import Run, Trial

Make = Callable[..., Trial]
MakeRun = Callable[..., Run]

values = st.lists(st.sampled_from([0.1, 0.5, 0.9, 0.95]), min_size=1, max_size=3)
outcomes = st.lists(
    st.tuples(st.sampled_from(["finished", "stopped", "running", "diverged", "failed"]), values), max_size=12
)


def test_stages_come_in_their_order(trial: Make, run: MakeRun) -> None:
    """However good a stopped or diverged trial was, it is behind the finished ones."""
    trials = [
        trial(0, (0.9,), "failed", epochs=2),
        trial(1, (0.99,), "diverged", epochs=2),
        trial(2, (), "planned", epochs=2),
        trial(3, (0.98,), "running", epochs=2),
        trial(4, (0.97,), "stopped", epochs=2),
        trial(5, (0.1, 0.2), "finished"),
        trial(6, (0.1, 0.3), "finished"),
    ]
    ranked = row_order.rank(dataframe.load([run(trials)]))
    assert ranked["index"].tolist() == [6, 5, 3, 4, 2, 1, 0], (
        "of those that have not ended, and those stopped, the better one"
    )
    assert ranked["rank"].tolist() == [1, 2, 3, 4, 5, 6, 7]


def test_the_best_epoch_counts_and_not_the_last(trial: Make, run: MakeRun) -> None:
    ranked = row_order.rank(dataframe.load([run([trial(0, (0.8, 0.8)), trial(1, (0.9, 0.1))])]))
    assert ranked["index"].tolist() == [1, 0]


def test_equal_values_keep_the_order_of_the_plan(trial: Make, run: MakeRun) -> None:
    ranked = row_order.rank(dataframe.load([run([trial(index, (0.5,)) for index in (2, 0, 1)])]))
    assert ranked["index"].tolist() == [0, 1, 2]


@settings(max_examples=40)
@given(outcomes, st.randoms(use_true_random=False))
def test_ranking_is_a_total_order_of_all_trials(
    trial: Make, run: MakeRun, outcomes: list[tuple[str, list[float]]], dice: random.Random
) -> None:
    trials = [trial(index, reached, status, epochs=4) for index, (status, reached) in enumerate(outcomes)]
    trials = [t if t.status != "running" or t.outcome is None else trial(t.index, (0.5,) * 4) for t in trials]
    shuffled = dice.sample(trials, len(trials))
    ranked, again = (row_order.rank(dataframe.load([run(each)])) for each in (trials, shuffled))
    assert ranked["index"].tolist() == again["index"].tolist()
    assert sorted(ranked["index"]) == list(range(len(trials)))
    keys = [
        (order.STAGES[s], -v, i)
        for s, v, i in zip(ranked["status"], ranked["val_accuracy"], ranked["index"], strict=True)
    ]
    assert keys == sorted(keys)


def test_the_order_of_the_rows_does_not_matter(trial: Make, run: MakeRun) -> None:
    loaded = dataframe.load([run([trial(index, (0.5,)) for index in range(9)])])
    assert row_order.rank(loaded.sample(frac=1, random_state=0))["index"].tolist() == list(range(9))
