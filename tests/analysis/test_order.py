"""All who say who is best say the same: pytest tests/analysis/test_order.py"""

import dataclasses
import math
import random
import subprocess
import sys
from pathlib import Path

import pandas as pd
from hypothesis import example, given, settings
from hypothesis import strategies as st

from analysis.frame import dataframe as frames
from analysis.mirrors import notifications
from analysis.ranking import row_order
from analysis.ranking.standing import stand
from analysis.verify.evidence import Line
from analysis.verify.trial import TrialFiles
from search.run import confirmation, opening, order, warm_start
from search.status import STATUSES
from search.terminal.progress import Progress
from trainables.files import durable
from trainables.objective import ACCURACY

CURVES = st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.6, 0.7, 1.0]), max_size=3)
DRAWN = st.lists(st.tuples(st.sampled_from(STATUSES), CURVES), max_size=9)
RATES = [10.0**-place for place in range(9)]


def planned(run, trial, drawn, seeds=1, **more):
    """A run of these trials; `seeds` after each other are of one configuration."""
    made = []
    for place, (status, curve) in enumerate(drawn):
        known = [] if status == "planned" else curve or ([] if status in ("failed", "diverged") else [0.5])
        one = trial(place, known, status, epochs=4, lr=RATES[place // seeds], **more)
        made.append(dataclasses.replace(one, seed=place % seeds))
    found = run(made, scheduler={"name": "asha"})
    return dataclasses.replace(found, totals=dataclasses.replace(found.totals, seeds=seeds, confirm=0, keep_best=1))


def places(trials):
    return [trial.index for trial in trials]


def winner_of(run):
    best = confirmation.winner(run)
    return best.index if best else None


def by_tables(where):
    """The winner as the tables of results.md have it: of the first row on fresh seeds, or else of the leaderboard."""
    chosen = where.confirmed if where.is_confirmed else where.board
    if chosen.empty or chosen["status"].iloc[0] != "finished":
        return None
    finished = (rows[rows["status"] == "finished"] for rows in (where.trials, where.fresh))
    own = next(rows for rows in (rows[rows["group"] == chosen["group"].iloc[0]] for rows in finished) if len(rows))
    return int(row_order.best_first(own)["index"].iloc[0])


@settings(max_examples=40)
@given(drawn=DRAWN, dice=st.randoms(use_true_random=False))
@example(drawn=[("diverged", []), ("failed", [0.0])], dice=random.Random(0))
def test_everybody_has_the_same_best_trial(run, trial, drawn, dice):
    """The leaderboard, the confirmation, a warm start, the news, the display and `order` itself, one seed each."""
    found = planned(run, trial, drawn)
    found = dataclasses.replace(found, trials=dice.sample(found.trials, len(found.trials)))
    ranked = row_order.rank(frames.load([found]))
    expected = ranked["index"].tolist()
    finished = ranked[ranked["status"] == "finished"]["index"].tolist()
    assert places(sorted(found.trials, key=order.of_trial)) == expected
    assert [group[0].index for group in order.configurations(found.trials)] == expected
    assert places(confirmation.leaders(found.trials)) == finished
    valued = ranked[ranked["val_accuracy"].notna()]
    assert places(warm_start.best(found)) == valued[valued["status"] != "diverged"]["index"].tolist()
    best = confirmation.winner(found)
    assert (best.index if best else None) == next(iter(finished), None)
    assert places(Progress(found).leaders()) == valued["index"].tolist()[:1]


@settings(max_examples=12)
@given(
    drawn=DRAWN,
    seeds=st.sampled_from([2, 3]),
    confirms=st.lists(st.tuples(st.sampled_from(STATUSES), CURVES), max_size=4),
)
def test_everybody_has_the_same_best_configuration(run, trial, drawn, seeds, confirms):
    """A configuration is what its worst seed is; fresh seeds that all have ended come first for whoever asks them."""
    found = planned(run, trial, drawn, seeds)
    where = stand(found)
    board = where.board
    firsts = {one.id: one.index for one in reversed(found.trials)}
    assert [group[0].index for group in order.configurations(found.trials, seeds)] == board["index"].tolist()
    leaders = [firsts[one.id] for one in confirmation.leaders(found.trials)]
    done = {firsts[one.id] for one in found.trials if one.status == "finished"}
    if len(found.trials) % seeds == 0:  # it is asked once all are planned
        assert leaders == [index for index in board["index"] if index in done]
    assert winner_of(found) == by_tables(where)
    whole = planned(run, trial, confirms, source="confirm").trials
    fresh = [dataclasses.replace(one, index=len(drawn) + one.index, seed=9) for one in whole if one.id in firsts]
    both = dataclasses.replace(
        found, trials=found.trials + fresh, totals=dataclasses.replace(found.totals, confirm=2, confirm_seeds=1)
    )
    assert winner_of(both) == by_tables(stand(both))
    for whole_run in (found, both):
        if decided := confirmation.deciding(whole_run):
            assert places(Progress(whole_run).leaders()) == places(decided)
    confirmed = stand(both).confirmed
    known = confirmed[confirmed["status"] == "finished"]["index"].tolist()
    assert [firsts[one.id] for one in warm_start.best(both)][: len(known)] == known


def test_the_best_so_far_may_be_one_that_still_trains(trial, run):
    """After the first rung of a search that waits there are stopped trials, and better ones that wait."""
    whole = run([trial(0, (0.2,), "stopped", lr=0.1), trial(1, (0.8,), "running", lr=0.2)])
    assert [one.index for one in Progress(whole).leaders()] == [1]
    assert row_order.rank(frames.load([whole]))["index"].tolist() == [1, 0]


@given(
    rows=st.lists(
        st.tuples(st.sampled_from(STATUSES), st.sampled_from([None, math.nan, 0.0, 0.5, 1.0])), min_size=1, max_size=8
    )
)
def test_what_has_no_value_comes_last_in_its_stage(rows):
    frame = pd.DataFrame(
        {"status": [row[0] for row in rows], "val_accuracy": [row[1] for row in rows], "index": range(len(rows))}
    )
    ranked = row_order.rank(frame)
    values = ranked["val_accuracy"].astype(float)
    keys = list(zip(ranked["status"].map(order.STAGES), values.isna(), -values.fillna(0), ranked["index"], strict=True))
    assert keys == sorted(keys)
    assert ranked["rank"].tolist() == list(range(1, len(rows) + 1))


@given(values=st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=6))
def test_everybody_has_the_same_best_epoch_the_earliest_of_equal_ones(trial, values):
    one = trial(0, values)
    first = 1 + values.index(max(values))
    files = TrialFiles(one.id, one.id, one.folder, rows=[Line("", row) for row in one.epochs])
    found = [one.best, ACCURACY.best_epoch(one.epochs), files.best(len(values))]
    assert [best["epoch"] for best in found] == [first] * 3
    assert one.value == files.best_value() == max(values)


# Where two of the orders disagreed, the leaderboard's rule holds ---------------------------------------------------------


def group(trial, start, lr, *ends):
    """The seeds of one configuration, each with what it came to and its value."""
    return [
        dataclasses.replace(trial(start + seed, (value,), status, lr=lr), seed=seed)
        for seed, (status, value) in enumerate(ends)
    ]


def test_what_is_confirmed_are_the_first_rows_of_the_leaderboard(run, trial):
    """The confirmation took the mean over the seeds that finished, and no notice of why the others had not."""
    stopped = group(trial, 0, 0.1, ("finished", 0.6), ("stopped", 0.6))
    failed = group(trial, 2, 0.2, ("finished", 0.9), ("failed", 0.1))
    uneven = group(trial, 4, 0.3, ("finished", 0.8), ("stopped", 0.2))
    found = run([*stopped, *failed, *uneven])
    found = dataclasses.replace(found, totals=dataclasses.replace(found.totals, seeds=2))
    assert stand(found).board["index"].tolist() == [0, 4, 2]
    assert places(confirmation.leaders(found.trials)) == [0, 4, 2]


def test_a_warm_start_takes_the_stopped_trials_in_the_order_of_the_leaderboard(run, trial):
    """It took those first that had come furthest, and a configuration of which a seed diverged as if it had not."""
    found = run([trial(0, (0.5, 0.5), "stopped", epochs=4), trial(1, (0.9,), "stopped", epochs=4, lr=0.2)])
    assert row_order.rank(frames.load([found]))["index"].tolist() == [1, 0]
    assert places(warm_start.best(found)) == [1, 0]
    found = run(
        [*group(trial, 0, 0.1, ("finished", 0.9), ("diverged", 0.9)), *group(trial, 2, 0.2, *[("finished", 0.5)] * 2)]
    )
    found = dataclasses.replace(found, totals=dataclasses.replace(found.totals, seeds=2))
    assert stand(found).board["index"].tolist() == places(warm_start.best(found)) == [2, 0]


def test_the_display_shows_the_best_of_the_leaderboard(run, trial):
    """It showed the highest value, also of a trial that had diverged or was stopped."""
    found = run([trial(0, (0.9,), "diverged", epochs=2), trial(1, (0.8,), "stopped", epochs=2), trial(2, (0.7, 0.6))])
    assert row_order.rank(frames.load([found]))["index"].tolist() == [2, 1, 0]
    assert places(Progress(found).leaders()) == [2]


def test_with_several_seeds_the_best_of_the_news_is_the_winner(run, trial):
    """The news and the mirrors had the single luckiest trial."""
    lucky, steady = (
        group(trial, 0, 0.1, ("finished", 0.9), ("finished", 0.1)),
        group(trial, 2, 0.2, *[("finished", 0.7)] * 2),
    )
    before, found = (run(trials) for trials in (lucky, [*lucky, *steady]))
    before, found = (
        dataclasses.replace(each, totals=dataclasses.replace(each.totals, seeds=2)) for each in (before, found)
    )
    assert stand(found).winner == 2
    assert [record["event"] for record in notifications.news(found, before, False)] == ["best"]


def test_the_weights_that_are_kept_are_of_the_first_rows(run, trial, tmp_path):
    found = run([trial(index, (value,)) for index, value in enumerate([0.5, 0.9, 0.5, 0.7])])
    trials = [dataclasses.replace(one, folder=tmp_path / str(one.index)) for one in found.trials]
    for one in trials:
        one.folder.mkdir()
        durable.write_checked(one.folder / "best.safetensors", b"", epoch=1)
    opening.prune_weights(dataclasses.replace(found, trials=trials), keep=3)
    left = [one.index for one in trials if (one.folder / "best.safetensors").exists()]
    assert left == sorted(row_order.rank(frames.load([found]))["index"][:3]) == [0, 1, 3]


def test_the_order_is_known_without_pandas_and_torch():
    code = "import sys, search.run.order, search.status; print({'pandas', 'torch', 'numpy'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout == "set()\n"
