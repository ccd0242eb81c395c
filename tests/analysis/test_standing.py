"""Seeds are one row, fresh seeds decide the answer, and every trial is in the files exactly once."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import t, ttest_rel

from analysis import confirmation, joined, results
from analysis.standing import stand
from search.ledger import Run, Trial

Make = Callable[..., Trial]
MakeRun = Callable[..., Run]
VALUES = {1e-3: (0.90, 0.91, 0.92), 5e-4: (0.94, 0.95, 0.955), 1e-4: (0.70, 0.71, 0.72)}  # lr to the value at each seed


def on_seeds(trial: Make, source: str = "random", start: int = 0, values: Any = VALUES, seed: int = 0) -> list[Trial]:
    """A trial for each rate and seed, in the order in which a plan has them."""
    planned = [(lr, seed + r, value) for lr, each in values.items() for r, value in enumerate(each)]
    found = []
    for place, (lr, own, value) in enumerate(planned, start):
        one = trial(place, (0.5, value), lr=lr, source="baseline" if (lr, source) == (1e-3, "random") else source)
        found.append(
            dataclasses.replace(one, seed=own, id=f"{one.id}{own}", folder=Path(f"trials/{place:04d}-{one.id}{own}"))
        )
    return found


@pytest.fixture
def seeded(trial: Make, run: MakeRun) -> Run:
    found = run(on_seeds(trial))
    return dataclasses.replace(found, totals=found.totals | {"seeds": 3})


@pytest.fixture
def confirmed(trial: Make, run: MakeRun) -> Run:
    """One seed in the search, whose best two and baseline were trained again on three fresh seeds; the second is best."""
    search = on_seeds(trial, values={lr: each[-1:] for lr, each in VALUES.items()} | {2e-3: (0.97,)})
    fresh = on_seeds(
        trial, "confirm", 4, {2e-3: (0.90, 0.91, 0.905), 5e-4: (0.94, 0.95, 0.945), 1e-3: (0.9, 0.91, 0.9)}, 70
    )
    found = run([*search, *fresh])
    return dataclasses.replace(found, totals=found.totals | {"trials": 4, "confirm": 2, "confirm_seeds": 3})


def test_seeds_are_one_row_with_their_mean_and_interval(seeded: Run) -> None:
    board = stand(seeded).board
    assert board["lr"].tolist() == [5e-4, 1e-3, 1e-4]
    assert board["val_accuracy"].tolist() == pytest.approx([np.mean(VALUES[lr]) for lr in (5e-4, 1e-3, 1e-4)])
    expected = t.interval(0.95, 2, np.mean(VALUES[5e-4]), np.std(VALUES[5e-4], ddof=1) / 3**0.5)
    assert (board["low"][0], board["high"][0]) == pytest.approx(expected)
    raw = [ttest_rel(VALUES[first], VALUES[second]).pvalue for first, second in ((5e-4, 1e-3), (5e-4, 1e-4))]
    assert board["p_value"][1] >= raw[0]
    assert "3 configurations: 3 finished, on 3 seeds each" in results.render(seeded)
    assert "Student's over seeds" in results.render(seeded)


def test_a_configuration_is_finished_when_all_its_seeds_are(seeded: Run) -> None:
    one = dataclasses.replace(seeded.trials[4], epochs=[], outcome=None)
    trials = [one if trial.index == one.index else trial for trial in seeded.trials]
    board = stand(dataclasses.replace(seeded, trials=trials)).board
    assert board[board["lr"] == 5e-4]["status"].tolist() == ["running"]


def test_trials_keep_the_order_of_their_configurations(seeded: Run) -> None:
    """The best single seed does not come first: the mean decides."""
    trials = stand(seeded).trials
    assert trials["lr"].tolist() == [5e-4] * 3 + [1e-3] * 3 + [1e-4] * 3
    assert trials["rank"].tolist() == [1, 1, 1, 2, 2, 2, 3, 3, 3]


def test_the_answer_is_the_best_on_fresh_seeds_and_shows_the_optimism(confirmed: Run) -> None:
    where = stand(confirmed)
    assert where.board["lr"].iloc[0] == 2e-3
    assert where.confirmed["lr"].tolist() == [5e-4, 2e-3, 1e-3]
    text = results.render(confirmed)
    assert "94.50 % validation accuracy** (95 % interval 93.26 to 95.74 %; mean of 3 fresh seeds, confirmed)" in text
    assert "The search had said 95.50 %, an optimism of +1.00 points." in text
    assert where.winner == 1
    assert "unconfirmed" not in text.split("## Leaderboard")[0]


def test_fresh_seeds_take_no_part_in_the_ranking(confirmed: Run) -> None:
    alone = dataclasses.replace(confirmed, trials=confirmed.trials[:4])
    assert stand(confirmed).board["id"].tolist() == stand(alone).board["id"].tolist()
    assert results.rank(confirmed)["source"].tolist().count("confirm") == 0


def test_until_all_fresh_seeds_have_ended_the_search_answers(confirmed: Run) -> None:
    trials = [*confirmed.trials[:-1], dataclasses.replace(confirmed.trials[-1], outcome=None)]
    text = results.render(dataclasses.replace(confirmed, trials=trials))
    assert "8 of 9 trials ended" in text
    assert "unconfirmed" in text.split("Protocol")[0]


def test_every_trial_is_a_record_once(confirmed: Run, seeded: Run) -> None:
    for run in (confirmed, seeded):
        rows = joined.all_records(stand(run))
        assert sorted(row["index"] for row in rows) == [trial.index for trial in run.trials]
    fresh = [row for row in joined.all_records(stand(confirmed)) if row["source"] == "confirm"]
    assert [row["rank"] for row in fresh] == [None] * 9


def test_a_search_without_fresh_seeds_says_nothing_of_them(seeded: Run) -> None:
    assert confirmation.section(seeded, stand(seeded)) == ""
