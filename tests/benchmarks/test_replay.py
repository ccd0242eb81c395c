"""Searches on simulated learning curves: pytest tests/benchmarks/test_replay.py"""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import spaces
from analysis.diagnostics import rung_agreement
from benchmarks import curves as trained
from benchmarks.replay import LENGTHS, STOPPERS, Outcome, Simulation, groups, measure, play, replay
from search.stopping.rules import rule
from trainables.files import durable


def simulated(count: int, epochs: int, seed: int = 0) -> list[list[float]]:
    """Curves that climb to their own height at their own speed, with noise."""
    dice = random.Random(seed)
    shapes = [(dice.uniform(0.3, 0.9), dice.uniform(0.1, 1)) for _ in range(count)]
    return [
        [top * (1 - (1 - speed) ** epoch) + dice.gauss(0, 0.01) for epoch in range(1, epochs + 1)]
        for top, speed in shapes
    ]


@pytest.mark.parametrize("slots", [1, 3, 27])
def test_without_early_stopping_the_best_is_found_and_everything_paid(slots):
    curves = simulated(27, 27)
    best = max(range(27), key=lambda trial: max(curves[trial]))
    assert replay(curves, rule("none"), slots) == Outcome(729, best, 0.0, 1)


@pytest.mark.parametrize(("name", "epochs"), [("sha", 81), ("epochs:1", 27 + 9 * 26), ("epochs:3", 81 + 9 * 24)])
def test_whole_rungs_cost_the_same_whatever_the_slots(name, epochs):
    outcomes = {replay(simulated(27, 27), rule(name), slots) for slots in (1, 2, 8, 27)}
    assert [outcome.epochs for outcome in outcomes] == [epochs]


def test_an_audit_of_a_tenth_rarely_represents_every_rung(tmp_path):
    """Counted by hand in eight searches: the rungs with stopped trials, and no audited one that finished."""
    audited = short = 0
    for seed in range(8):
        (folder := tmp_path / str(seed)).mkdir()
        run, _ = play(Simulation(simulated(32, 27, seed), rule("asha", audit=0.1), folder, seed), 4, [1.0] * 32)
        stopped, first = Counter(), {}
        for line in durable.read_lines(folder / "decisions.jsonl"):
            stopped[line["epoch"]] += line["decision"] == "stop"
            if line.get("audit"):
                first[line["trial"]] = min(line["epoch"], first.get(line["trial"], 27))
        left_out = {
            epoch: number for epoch, number in sorted(stopped.items()) if number and epoch not in first.values()
        }
        assert rung_agreement.unseen(run) == left_out
        audited, short = audited + bool(first), short + bool(first and left_out)
    assert (audited, short) == (7, 6)


@hypothesis_settings(max_examples=15)
@given(st.integers(0, 10**6), st.sampled_from(list(STOPPERS.values())), st.integers(1, 9), st.sampled_from([0.0, 0.3]))
def test_every_stopper_ends_and_names_a_trial_that_it_trained_in_full(seed, stopper, slots, audit):
    curves = simulated(12, 9, seed)
    outcome = replay(curves, stopper | {"audit": audit}, slots, seed)
    assert outcome.epochs <= 108
    assert outcome.winner is not None
    assert outcome.regret >= 0
    assert (outcome.regret == 0) == (outcome.rank == 1)


def test_trials_that_diverge_end_and_hold_nobody_up():
    curves = [[0.1] * 9, [], [0.9, 0.9], [0.3] * 9]
    winners = {name: replay(curves, stopper, 2).winner for name, stopper in STOPPERS.items()}
    assert set(winners.values()) <= {0, 3}, "where the only one that was kept diverged, another was called back"


def test_where_early_values_tell_the_truth_halving_finds_the_best_of_a_thousand():
    curves = [[height * epoch / 9 for epoch in range(1, 10)] for height in (0.001 * trial for trial in range(1000))]
    random.Random(0).shuffle(curves)
    for name in ("asha", "sha", "median"):
        outcome = replay(curves, rule(name), 8)
        assert (outcome.rank, outcome.epochs < 9000) == (1, True)
    assert replay(curves, rule("sha"), 8).epochs == 1000 + 334 * 2 + 112 * 6


@pytest.mark.parametrize(("times", "is_alike"), [([1.0] * 27, True), ([1.0, 2.0, 4.0] * 9, False)])
def test_slots_matter_to_asha_where_some_trials_are_slower_than_others(times, is_alike):
    outcomes = [replay(simulated(27, 27), rule("asha"), slots, times=times) for slots in (2, 8)]
    assert (outcomes[0] == outcomes[1]) == is_alike


@pytest.mark.parametrize("stopper", ["epochs:3", "ladder"])  # with sha only one trial is left for most of the time
def test_a_rule_that_waits_leaves_no_slot_idle_for_long(stopper):
    """Slots train ahead what is certain to go on: eight take less than a quarter of the time of one."""
    curves, times = simulated(27, 27), [1.0, 2.0, 4.0] * 9
    one, eight = (replay(curves, rule(stopper), slots, times=times) for slots in (1, 8))
    assert one == eight
    assert eight.makespan < one.makespan / 4


def written(folder, name, schedule, *keys):
    """Curves of three searches under this name, in which the rate of a trial is constant or not."""
    for seed in (0, 1, 2):
        durable.append(
            folder / name,
            *(
                {
                    **dict(keys),
                    "seed": seed,
                    "index": index,
                    "config": {"width": 8, "schedule": schedule},
                    "val_accuracy": curve,
                }
                for index, curve in enumerate(simulated(9, 16, seed))
            ),
        )


def test_the_tables_have_a_row_for_each_stopper_and_a_cell_for_each_length_that_the_curves_hold_for(tmp_path):
    written(tmp_path, "a.jsonl", "constant", ("search", "mine"), ("weights", "raw"))
    written(tmp_path, "b.jsonl", "cosine", ("search", "other"), ("weights", "0.7"))
    written(tmp_path, "c.jsonl", "cosine", ("search", "other"), ("weights", "0.3"))
    lengths, one, eight, slots = measure(tmp_path)
    assert [table.name for table in (lengths, one, eight)] == ["replay", "replay_1", "replay_8"]
    cuts = [[row for row in table.rows if row[1].startswith(("sha", "ladder"))] for table in (lengths, one, eight)]
    assert [[cell.partition(",")[0] for row in own for cell in row] for own in cuts[1:]] == 2 * [
        [cell.partition(",")[0] for row in cuts[0] for cell in row]
    ], "what waits does not depend on them, but the difference to asha does"
    assert [row[:2] for row in lengths.rows] == [
        [title, stopper] for title in ("mine (3), raw", "other (3), averaged") for stopper in STOPPERS
    ]
    filled = [[bool(cell) for cell in row[2:]] for row in lengths.rows]
    assert filled[0] == [length <= 16 for length in LENGTHS]
    assert filled[-1] == [length == 16 for length in LENGTHS]
    assert len(slots.rows) == 2 * len(STOPPERS)
    assert {row[-1] for row in slots.rows if row[1].startswith(("sha", "ladder"))} == {"yes"}


def test_a_search_without_all_of_its_curves_is_left_out(tmp_path):
    written(tmp_path, "a.jsonl", "constant", ("search", "mine"), ("weights", "raw"))
    line = {"search": "mine", "weights": "raw", "seed": 9, "index": 0, "config": {"width": 8, "schedule": "constant"}}
    durable.append(tmp_path / "a.jsonl", {**line, "val_accuracy": [0.1] * 16})
    (group,) = groups(tmp_path)
    assert [search.seed for search in group.searches] == [0, 1, 2]


def test_a_line_says_with_which_weights_its_curve_was_validated():
    space = spaces.load("convnet_asha")
    raw, _ = spaces.changed(space, ["ema=0"])
    lines = [list(trained.wanted(each, ["random"], [0], 2, 3)) for each in (space, raw)]
    assert [[line["weights"] for line in each] for each in lines] == [["0.7"] * 2, ["raw"] * 2]


def test_curves_are_trained_once_and_go_on_where_they_ended(tmp_path, monkeypatch):
    asked = []

    class Pool:
        def __init__(self, *_, **__): ...
        def __enter__(self):
            return self

        def __exit__(self, *_): ...
        def submit(self, function, *arguments):
            asked.append(arguments[3:])
            done = Future()
            done.set_result([0.5, 0.6])
            return done

    from concurrent.futures import Future

    monkeypatch.setattr(trained, "ProcessPoolExecutor", Pool)
    lines = [
        {"algo": algo, "seed": 0, "index": index, "config": {"lr": lr, "epochs": 2}}
        for algo in ("random", "qmc") for index, lr in enumerate((0.1, 0.2 if algo == "qmc" else 0.3))
    ]  # fmt: skip
    facts = {"dataset": "toy", "fraction": 1.0, "precision": "fp32"}
    trained.extend(tmp_path / "t.jsonl", lines[:2], facts, tmp_path, 1)
    trained.extend(tmp_path / "t.jsonl", lines, facts, tmp_path, 1)
    assert [config["lr"] for config, _ in asked] == [0.1, 0.3, 0.2]
    found = durable.read_lines(tmp_path / "t.jsonl")
    assert sorted(map(trained.key, found)) == sorted(map(trained.key, lines))
    assert {line["val_accuracy"][1] for line in found} == {0.6}
    with pytest.raises(SystemExit, match="--out"):
        trained.extend(tmp_path / "t.jsonl", lines, {**facts, "fraction": 0.5}, tmp_path, 1)
