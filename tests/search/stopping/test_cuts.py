"""Cuts of whole rungs on simulated curves: pytest tests/search/stopping/test_cuts.py"""

import itertools
import random
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.verify.cuts import check_cuts
from analysis.verify.evidence import Evidence, Line
from search.stopping import ladder, rules
from search.stopping.cuts import Course, Curve, Stage, left_behind
from trainables.objective import ACCURACY, LOSS, Objective

EPOCHS, SEED = 8, 3
ANY = Objective("x", "max", "decimals")


@dataclass(frozen=True)
class Search:
    """Configurations on seeds, trial by trial; a curve that is shorter than it should be diverges."""

    curves: list[list[float]]
    seeds: int = 1
    rule: dict = field(default_factory=lambda: rules.rule("ladder"))
    asked: tuple = ()  # of each stage configurations and epochs; all of them in one by default
    objective: Objective = ANY

    @property
    def entries(self):
        return {trial: trial - trial % self.seeds for trial in range(len(self.curves))}

    @property
    def stages(self):
        asked = self.asked or ((len(self.curves) // self.seeds, EPOCHS),)
        return [
            Stage(line, count * self.seeds, epochs, tuple(rules.places(self.rule, count, epochs)))
            for line, (count, epochs) in enumerate(asked, 1)
        ]

    def course(self, lines=(), stages=None):
        course = Course(stages or self.stages, self.entries, self.rule, SEED, self.objective)
        for line in lines:
            course.take(line)
        return course


def play(search, dice=None, slots=1, deaths=0.0, grows=0.0):
    """Lines and lengths: so many workers train what must or may be, one epoch at a random moment.

    Args:
        deaths: probability, at each step, that everything but the lines and the rows is lost.
        grows: likewise, that the next stage is asked for before the one before it is complete.
    """
    dice = dice or random.Random(0)
    done, over, lines, running = [0] * len(search.curves), set(), [], {}
    count = 1
    course = search.course(stages=search.stages[:count])

    def known():
        return {trial: Curve(curve[: done[trial]], trial in over) for trial, curve in enumerate(search.curves)}

    while True:
        now = known()
        while line := course.next(now):
            lines.append(line)
            course.take(line)
        if dice.random() < deaths:
            course, running = search.course(lines, search.stages[:count]), {}
            continue
        if len(running) < slots:
            may = [place for place in (*course.open(now), *course.ahead(now)) if place[0] not in running]
            running |= dict(may[: slots - len(running)])
        if count < len(search.stages) and (not running or dice.random() < grows):
            count += 1
            course = search.course(lines, search.stages[:count])
            continue
        if not running:
            return lines, done, over
        trial = dice.choice(sorted(running))
        whole = search.stages[count - 1].epochs
        if done[trial] == len(search.curves[trial]) < whole:
            over.add(trial)
        else:
            done[trial] += 1
        if trial in over or done[trial] >= running[trial]:
            del running[trial]


values = st.integers(-3, 3).map(float)


@st.composite
def searches(draw, seeds=st.integers(1, 2), stages=st.integers(1, 3)):  # noqa: B008
    each, count, parts = draw(seeds), draw(st.integers(1, 7)), draw(stages)
    asked = [*sorted(draw(st.lists(st.integers(1, count), min_size=parts - 1, max_size=parts - 1))), count]
    curve = st.lists(values, min_size=EPOCHS, max_size=EPOCHS)
    curves = [
        draw(curve)[: draw(st.just(EPOCHS) | st.just(EPOCHS) | st.integers(0, EPOCHS - 1))] for _ in range(count * each)
    ]
    name = draw(st.sampled_from(["ladder", "ladder", "sha", "epochs:2"]))
    rule = rules.rule(name, audit=draw(st.sampled_from([0.0, 0.4])), share=draw(st.sampled_from([0.01, 0.35, 0.6])))
    return Search(curves, each, rule, tuple((asked_for, EPOCHS) for asked_for in asked))


@settings(max_examples=40)
@given(search=searches(), seed=st.integers(0, 999), slots=st.integers(1, 8))
def test_any_number_of_workers_at_any_speed_killed_at_any_moment_and_grown_at_any_moment_comes_to_the_same(
    search, seed, slots
):
    once = play(search)
    assert play(search, random.Random(seed), slots) == once
    assert play(search, random.Random(seed), slots, deaths=0.3, grows=0.2) == once


@settings(max_examples=25)
@given(search=searches(), seed=st.integers(0, 999))
def test_verify_makes_each_line_again_and_names_a_changed_one(search, seed, tmp_path_factory):
    lines, done, over = play(search, random.Random(seed), 3)
    assert problems(search, lines, done, over) == []
    for place, line in enumerate(lines):
        for other in changes(line):
            assert problems(search, [*lines[:place], other, *lines[place + 1 :]], done, over), other


def changes(line):
    for key in ("goes_on", "stops", "audit", "thaw"):
        if line.get(key):
            yield {**line, key: line[key][1:]}
    if "quota" in line:
        yield {**line, "quota": line["quota"] + 1}
        yield {**line, "until": line["until"] + 1}
        yield {**line, "cutoff": -9.0}


def problems(search, lines, done, over):
    evidence = Evidence("run")
    trials = {index: files(search.curves[index][: done[index]], index in over) for index in range(len(done))}
    check_cuts(evidence, [Line("x", {"sequence": 0, **line}) for line in lines], search.course(), trials)
    return evidence.problems


def files(curve, diverged):
    outcomes = [(len(curve), "diverged")] if diverged else []
    rows = [SimpleNamespace(where=f"epochs.jsonl:{epoch}") for epoch in range(1, len(curve) + 1)]
    return SimpleNamespace(rows=rows, value=lambda epoch: curve[epoch - 1], outcomes=outcomes, is_over=diverged)


def test_verify_names_rows_that_no_line_allows():
    search = Search([[float(trial)] * EPOCHS for trial in range(9)])
    lines, done, over = play(search)
    stopped, _ = left_behind(lines)
    done[min(stopped)] += 1
    assert "where nothing let trial" in problems(search, lines, done, over)[0]


@settings(max_examples=25)
@given(search=searches(stages=st.just(1)))
def test_once_cut_only_survivors_audited_and_thawed_trials_have_rows_beyond_a_rung(search):
    lines, done, _ = play(search, slots=8)
    for line in lines:
        beyond = {trial for trial in line.get("stops", ()) if done[trial] > line["epoch"]}
        assert beyond <= {trial for other in lines for trial in other.get("thaw", ())}
        best = len({search.entries[trial] for trial in line.get("goes_on", ())})
        assert best <= line.get("quota", best)


@settings(max_examples=25)
@given(search=searches(), seed=st.integers(0, 99))
def test_something_finishes_if_anything_can(search, seed):
    """A configuration of which no seed diverges is trained to the end, or another is."""
    _, done, over = play(search, random.Random(seed), 2)
    whole = [
        all(len(search.curves[trial]) == EPOCHS for trial in range(first, first + search.seeds))
        for first in range(0, len(done), search.seeds)
    ]
    finished = [trial for trial, epochs in enumerate(done) if epochs == EPOCHS and trial not in over]
    assert bool(finished) or not any(whole)


def test_the_letter_of_the_rule():
    """Quotas and rungs as they were measured; all of a few, and nobody is left behind of short trials."""
    assert [ladder.places(27, 27, share) for share in (0.25, 0.30)] == [
        ((2, 18), (4, 9), (8, 4), (16, 2)), ((2, 19), (4, 11), (8, 6), (16, 3))
    ]  # fmt: skip
    assert [ladder.rungs(epochs) for epochs in (1, 3, 4, 8, 20, 27, 54)] == [
        [], [], [1, 2], [1, 2, 4], [1, 2, 4, 8, 16], [2, 4, 8, 16], [4, 8, 16, 32]
    ]  # fmt: skip
    assert ladder.places(2, 27, 0.1) == ((2, 2), (4, 2), (8, 2), (16, 2))
    assert ladder.places(27, 3, 0.1) == ()


@settings(max_examples=25)
@given(
    planned=st.integers(1, 300), epochs=st.integers(1, 200), share=st.floats(0.01, 1), audit=st.sampled_from([0.0, 0.2])
)
def test_places_never_rise_and_cost_at_most_the_share_or_the_least(planned, epochs, share, audit):
    places = ladder.places(planned, epochs, share, audit)
    quotas = [planned, *(quota for _, quota in places)]
    assert quotas == sorted(quotas, reverse=True)
    assert quotas[-1] >= min(2, planned)
    spent = ladder.epochs_spent(places, planned, epochs, audit) / (planned * epochs)
    assert spent <= max(share, ladder.least_share(planned, epochs, audit)) + 1e-9


def test_of_more_share_no_rung_keeps_less():
    for planned, epochs in ((27, 27), (9, 8), (100, 50)):
        shares = [ladder.places(planned, epochs, share / 20) for share in range(1, 21)]
        assert all(
            before[1] <= after[1] for one, more in itertools.pairwise(shares)
            for before, after in zip(one, more, strict=True)
        )  # fmt: skip
        assert {quota for _, quota in shares[-1]} == {planned}


def test_the_best_value_so_far_counts_not_the_last():
    """Trial 0 was best at epoch 1 of 2, and fell."""
    search = Search(
        [[0.9, 0.1, *[0.1] * 7], *[[0.2] * 9 for _ in range(5)]], rule=rules.rule("epochs:2"), asked=((6, 9),)
    )
    lines, _, _ = play(search)
    assert lines[0]["goes_on"] == [0, 1]
    assert lines[0]["cutoff"] == 0.2


@pytest.mark.parametrize("mode", ["max", "min"])
def test_seeds_of_a_configuration_are_one_entry_and_one_diverged_seed_is_a_diverged_configuration(mode):
    sign = 1 if mode == "max" else -1
    heights = [0.9, 0.0, 0.6, 0.6, 0.5, 0.5, 0.3, 0.3, 0.95, 0.95]  # two seeds of each of five
    curves = [[sign * height] * 9 for height in heights]
    curves[9] = []
    search = Search(curves, 2, rules.rule("epochs:2"), ((5, 9),), replace(LOSS, column="x", mode=mode))
    lines, done, over = play(search)
    assert lines[0]["goes_on"] == [2, 3, 4, 5], "means 0.6 and 0.5 before that of 0.9 and 0"
    assert lines[0]["cutoff"] == sign * 0.5
    assert 8 in lines[0]["stops"], "its other seed diverged"
    assert (done[9], over) == (0, {9})


def test_if_all_survivors_diverge_the_best_one_left_behind_is_thawed_and_then_the_next():
    """Of nine two go on from epoch 2 and diverge; the next best diverges as well, and the one after it finishes."""
    curves = [[0.1 * trial] * EPOCHS for trial in range(9)]
    curves[8], curves[7], curves[6] = curves[8][:5], curves[7][:3], curves[6][:6]
    search = Search(curves, rule=rules.rule("epochs:2", reduction_factor=5))
    lines, done, over = play(search, random.Random(1), 4)
    assert [line["thaw"] for line in lines[1:]] == [[6], [5]]
    assert (done, over) == ([2] * 5 + [EPOCHS, 6, 3, 5], {6, 7, 8})


def test_the_latest_rung_comes_before_the_value_in_a_thaw():
    curves = [[0.9] * 5, [0.8] * EPOCHS, [0.85, 0.1, 0.1, 0.1, *[0.1] * 4], *[[0.1] * EPOCHS for _ in range(6)]]
    search = Search(curves, rule=rules.rule("sha"))
    lines, done, _ = play(search)
    assert [(line["epoch"], line["thaw"]) for line in lines if "thaw" in line] == [(3, [2])]
    assert done[2] == EPOCHS


def test_who_is_certain_to_go_on_trains_ahead_and_nobody_else():
    """Of nine six go on from epoch 1; with seven values known two can still come."""
    search = Search([[0.1 * trial] * EPOCHS for trial in range(9)])
    quota = search.stages[0].places[0][1]
    known = {trial: Curve(search.curves[trial][: 1 if trial < 7 else 0]) for trial in range(9)}
    ahead = dict(search.course().ahead(known))
    assert set(ahead) == set(range(7 - (quota - 2), 7))
    assert set(ahead.values()) == {2}


def test_a_trial_that_failed_may_be_tried_again_so_nobody_counts_on_its_place():
    search = Search([[0.1 * trial] * EPOCHS for trial in range(9)])
    known = {trial: Curve(search.curves[trial][:1]) for trial in range(7)} | {7: Curve([], failed=True), 8: Curve([])}
    failed = dict(search.course().ahead(known))
    diverged = dict(search.course().ahead(known | {7: Curve([], diverged=True)}))
    assert len(diverged) == len(failed) + 1


def test_a_failed_trial_that_is_tried_again_is_judged_with_all_others():
    search = Search([[0.5] * EPOCHS, *[[0.1 * trial] * EPOCHS for trial in range(4)]], rule=rules.rule("epochs:1"))
    course = search.course()
    at = {trial: Curve(curve[:1]) for trial, curve in enumerate(search.curves)}
    first = course.next({**at, 0: Curve([], failed=True)})
    assert first["goes_on"] == [3, 4]
    course.take(first)
    again = course.next(at)
    assert (again["epoch"], again["goes_on"]) == (1, [0, 4])
    course.take(again)
    assert dict(course.open(at)) == {0: EPOCHS, 3: EPOCHS, 4: EPOCHS}, "nothing is taken back"


def test_a_grown_search_cuts_every_rung_anew_over_all_values_there():
    """Of six two go on; of twelve four, and one that was left behind is called."""
    heights = [0.5, 0.4, 0.3, 0.2, 0.1, 0.0, 0.6, 0.05, 0.04, 0.03, 0.02, 0.01]
    search = Search(
        [[height] * EPOCHS for height in heights], rule=rules.rule("epochs:2"), asked=((6, EPOCHS), (12, EPOCHS))
    )
    lines, done, _ = play(search, random.Random(5), 3, grows=0.5)
    assert [(line["totals"], line["quota"], line["goes_on"]) for line in lines] == [
        (1, 2, [0, 1]),
        (2, 4, [0, 1, 2, 6]),
    ]
    assert done == [8, 8, 8, 2, 2, 2, 8, 2, 2, 2, 2, 2]


def test_accuracy_of_equal_trials_goes_by_the_order_of_the_plan():
    lines, _, _ = play(Search([[0.5] * EPOCHS for _ in range(9)], objective=ACCURACY), random.Random(2), 4)
    assert all(line["goes_on"] == list(range(line["quota"])) for line in lines)
