"""What every rule of early stopping promises: pytest tests/search/stopping/test_conformance.py

A rule is tested by being in the table of spaces/_scheduler.py.
"""

from dataclasses import dataclass, field
from types import SimpleNamespace
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.verify.decisions import check_decisions, is_rule
from analysis.verify.evidence import Evidence, Line
from search.run.decisions import Decisions, halve
from search.run.ledger import taken_apart
from search.stopping import rules
from search.stopping.base import Arriving, Rule, Waiting, version_of
from search.stopping.cuts import Course, Curve, Stage
from search.stopping.ideal import ideal_epochs
from search.terminal import reference
from spaces import Scheduler
from trainables.files import durable
from trainables.objective import Objective

EPOCHS, SEED = 7, 3
MORE, LESS = (Objective("x", mode, "decimals") for mode in ("max", "min"))
WRITTEN = [form.replace("K", "2") for form in Scheduler.FORMS]
every_rule = pytest.mark.parametrize("written", WRITTEN)
every_stopping_rule = pytest.mark.parametrize("written", [form for form in WRITTEN if form != "none"])
waiting_rules = pytest.mark.parametrize("written", [form for form in WRITTEN if rules.waits(rules.rule(form))])
quick = settings(max_examples=15)


@dataclass
class Search:
    """Curves, those of diverged trials shorter, in an order of arrival: a trial trains an epoch each time it is named."""

    curves: list[list[float]]
    order: list[int]
    deaths: set[int] = field(default_factory=set)  # steps before which the search is killed and goes on


@st.composite
def searches(draw, values=st.integers(-3, 3).map(float) | st.floats(-9, 9, allow_subnormal=False)):  # noqa: B008
    curve = st.lists(values, min_size=EPOCHS, max_size=EPOCHS)
    curves = [
        each[: draw(st.just(EPOCHS) | st.integers(0, EPOCHS - 1))]
        for each in draw(st.lists(curve, min_size=1, max_size=9))
    ]
    order = draw(st.permutations([trial for trial in range(len(curves)) for _ in range(EPOCHS)]))
    return Search(curves, order, draw(st.sets(st.integers(0, len(order) - 1), max_size=4)))


def play(folder, scheduler, search, objective=MORE):
    """The lines of decisions.jsonl that such a search leaves."""
    path = folder / "decisions.jsonl"
    how = cut_all if rules.cuts(scheduler) else halve_all if rules.waits(scheduler) else arrive
    how(path, scheduler, search, objective)
    return durable.read_lines(path)


def decided(lines, search, objective=MORE):
    """The same, a decision for each trial."""
    trials = [SimpleNamespace(values=curve, objective=objective) for curve in search.curves]
    return [decision for line in lines for decision in taken_apart(line, trials)]


def arrive(path, scheduler, search, objective):
    decisions, trained, stopped = (
        Decisions(path, scheduler, EPOCHS, [], objective, SEED),
        [0] * len(search.curves),
        set(),
    )
    for step, trial in enumerate(search.order):
        if step in search.deaths:  # the last rows are reported again
            decisions = Decisions(path, scheduler, EPOCHS, durable.read_lines(path), objective, SEED)
            for other in set(range(len(trained))) - stopped:
                if trained[other]:
                    decisions.stops(other, trained[other], search.curves[other][trained[other] - 1])
        if trial not in stopped and trained[trial] < len(search.curves[trial]):
            trained[trial] += 1
            if decisions.stops(trial, trained[trial], search.curves[trial][trained[trial] - 1]):
                stopped.add(trial)


def course_of(scheduler, search, objective):
    count = len(search.curves)
    stage = Stage(1, count, EPOCHS, tuple(rules.places(scheduler, count, EPOCHS)))
    return Course([stage], {trial: trial for trial in range(count)}, scheduler, SEED, objective)


def cut_all(path, scheduler, search, objective):
    """Trials train in the order of the search where they may, then one after the other."""
    course, done, count = course_of(scheduler, search, objective), [0] * len(search.curves), len(search.curves)
    over = set()
    for step, trial in enumerate(search.order + list(range(count)) * EPOCHS * 2):
        if step in search.deaths:
            course = course_of(scheduler, search, objective)
            for line in durable.read_lines(path):
                course.take(line)
        curves = {index: Curve(search.curves[index][: done[index]], index in over) for index in range(count)}
        if trial not in over and done[trial] < course.limits(curves)[trial]:
            over |= {trial} if done[trial] == len(search.curves[trial]) else set()
            done[trial] += trial not in over
        curves[trial] = Curve(search.curves[trial][: done[trial]], trial in over)
        while line := course.next(curves):
            durable.append(path, {"sequence": len(durable.read_lines(path)) + 1, **line})
            course.take(line)


def halve_all(path, scheduler, search, objective):
    going = list(dict.fromkeys(search.order))
    for rung in rules.decisive(scheduler, EPOCHS):
        values = {trial: search.curves[trial][rung - 1] for trial in going if len(search.curves[trial]) >= rung}
        for _ in range(2 if search.deaths else 1):
            halve(path, durable.read_lines(path), rung, values, len(search.curves), scheduler, objective, SEED)
        going = [trial for trial in values if trial not in stops(durable.read_lines(path))]


def stops(lines):
    """Trial to the epoch after which it was stopped."""
    return {line["trial"]: line["epoch"] for line in lines if line["decision"] == "stop"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Calls for a fresh folder. Nothing is synced to disk here: tens of thousands of lines are written."""
    with mock.patch("os.fsync"):
        yield lambda: tmp_path_factory.mktemp("search")


@every_rule
def test_it_is_a_rule_in_the_file_of_its_name_that_help_and_docs_name(written):
    name = Scheduler.parse(written).name
    rule = rules.named(name)
    assert isinstance(rule, Rule)
    assert isinstance(rule, Arriving | Waiting) or name == "none"
    assert type(rule).__module__ == f"search.stopping.{name}"
    assert written.replace("2", "K") in Scheduler.described()
    assert written.replace("2", "K") in reference.page()


@every_rule
@pytest.mark.parametrize("audit", [0.0, 0.1])
def test_what_run_json_says_leads_back_to_the_flags(written, audit, tmp_path):
    """Whether a command is written into results.md or a run is taken up by its name."""
    scheduler = rules.rule(written, 2, 4, audit)
    flags = rules.flags(scheduler)
    assert flags["scheduler"] == rules.label(scheduler) == written
    assert rules.rule(flags.pop("scheduler"), **flags) == scheduler
    assert set(rules.of(scheduler).reads) <= set(scheduler)
    assert is_rule(Evidence(tmp_path), "run.json:1", scheduler)


@every_rule
def test_each_version_is_known_and_no_later_one(written):
    scheduler = rules.rule(written)
    latest = version_of(scheduler)
    assert latest == rules.of(scheduler).version
    known = [rules.is_known({**scheduler, "version": version}) for version in range(latest + 2)]
    assert known == [False, *[True] * latest, False]
    assert rules.continued(scheduler, {**scheduler, "version": 1})["version"] == 1


@every_rule
@given(grace=st.integers(1, 9), factor=st.integers(2, 5), epochs=st.integers(1, 40))
def test_rungs_ascend_from_the_grace_period_and_end_before_the_last_epoch(written, grace, factor, epochs):
    scheduler = rules.rule(written, grace, factor)
    rungs = list(rules.decisive(scheduler, epochs))
    assert rungs == sorted(set(rungs))
    assert all(scheduler.get("grace_period", 1) <= rung < epochs for rung in rungs)
    if written != "ladder":  # whose first rung follows from the epochs
        assert rungs == [rung for rung in rules.decisive(scheduler, epochs + 9) if rung < epochs], (
            "more epochs only append"
        )


@every_rule
@quick
@given(search=searches(), audit=st.sampled_from([0.0, 0.4]))
def test_a_search_killed_anywhere_decides_the_same(written, search, audit, folders):
    scheduler = rules.rule(written, audit=audit)
    assert play(folders(), scheduler, search) == play(folders(), scheduler, Search(search.curves, search.order))


@every_rule
@quick
@given(search=searches(), audit=st.sampled_from([0.0, 0.4]), version=st.integers(1, 3))
def test_verify_replays_every_decision_and_finds_a_changed_one(written, search, audit, version, folders):
    folder, scheduler = folders(), rules.rule(written, 2, 2, audit)
    if version_of(scheduler) > version:
        scheduler |= {"version": version}
    lines = play(folder, scheduler, search)
    assert problems(folder, scheduler, search, lines) == []
    if lines:
        assert problems(folder, scheduler, search, [*lines[:-1], changed(lines[-1])])


def changed(line):
    """A decision that says otherwise; of a whole rung, about one trial."""
    if "trial" in line:
        return {**line, "decision": "continue" if line["decision"] == "stop" else "stop"}
    key = next(key for key in ("goes_on", "stops", "audit", "thaw") if line.get(key))
    return {**line, key: line[key][1:]}


def problems(folder, scheduler, search, decisions):
    """What `verify` says of these decisions, beside that trials went on without one."""
    evidence, stopped = Evidence(folder), stops(decided(decisions, search))
    course = course_of(scheduler, search, MORE) if rules.cuts(scheduler) else None
    thawed = {trial for line in decisions for trial in line.get("thaw", ())}
    trials = {
        index: files(curve[: None if index in thawed else stopped.get(index)])
        for index, curve in enumerate(search.curves)
    }
    lines = [Line(f"decisions.jsonl:{place}", line) for place, line in enumerate(decisions, 1)]
    check_decisions(evidence, lines, trials, scheduler, EPOCHS, SEED, [len(search.curves)], MORE, course)
    return evidence.problems


def files(curve):
    rows = [SimpleNamespace(where="epochs.jsonl") for _ in curve]
    outcomes = [] if len(curve) == EPOCHS else [(len(curve), "diverged")]
    told = {"outcomes": outcomes, "is_over": bool(outcomes), "is_confirmation": False}
    return SimpleNamespace(rows=rows, value=lambda epoch: curve[epoch - 1], **told)


@every_rule
@quick
@given(search=searches())
def test_negated_values_decide_the_same_where_less_is_better(written, search, folders):
    negated = Search([[-value for value in curve] for curve in search.curves], search.order)
    lines = [play(folders(), rules.rule(written), *how) for how in ((search, MORE), (negated, LESS))]
    for line in lines[1]:
        line.update({key: -line[key] for key in ("value", "cutoff") if line.get(key) is not None})
    assert lines[0] == lines[1]


@waiting_rules
@quick
@given(search=searches(), data=st.data())
def test_a_rule_that_waits_decides_the_same_in_any_order_of_arrival(written, search, data, folders):
    other = Search(search.curves, data.draw(st.permutations(search.order)))
    assert play(folders(), rules.rule(written), search) == play(folders(), rules.rule(written), other)


@every_stopping_rule
@quick
@given(search=searches())
def test_audited_trials_run_on_and_the_others_are_judged_as_if_they_had_been_stopped(written, search, folders):
    scheduler = rules.rule(written, audit=0.5, share=0.01)  # with that a ladder has the same places, audited or not
    plain, audited = (
        decided(play(folders(), each, search), search) for each in (rules.rule(written, share=0.01), scheduler)
    )
    spared = {trial for trial in stops(plain) if rules.is_audited(scheduler, SEED, trial)}
    assert stops(audited) == {trial: epoch for trial, epoch in stops(plain).items() if trial not in spared}
    assert {line["trial"] for line in audited if line.get("audit")} == spared
    others = [[{**line, "sequence": 0} for line in lines if line["trial"] not in spared] for lines in (plain, audited)]
    assert others[0] == others[1]


@every_stopping_rule
@quick
@given(search=searches())
def test_decisions_are_about_rungs_and_one_that_stopped_has_no_other(written, search, folders):
    scheduler = rules.rule(written, 2)
    lines = play(folders(), scheduler, search)
    assert {line["epoch"] for line in lines} <= set(rules.decisive(scheduler, EPOCHS))
    assert [line["sequence"] for line in lines] == list(range(1, len(lines) + 1))
    lines = decided(lines, search)
    stopped = stops(lines)
    assert all(line["epoch"] <= stopped.get(line["trial"], EPOCHS) for line in lines)
    if not rules.cuts(scheduler):
        assert all(line["value"] == search.curves[line["trial"]][line["epoch"] - 1] for line in lines)


@every_stopping_rule
@pytest.mark.parametrize("count", [1, 2, 5, 9])
def test_of_rising_trials_the_best_goes_on_and_the_first_of_equal_ones(written, count, folders):
    """The only trial is the best. Of those that come in order of merit the weaker are stopped."""
    order = [trial for _ in range(EPOCHS) for trial in reversed(range(count))]
    rising, equal = (
        stops(decided(play(folders(), rules.rule(written), search), search))
        for search in (
            Search([[value(trial)] * EPOCHS for trial in range(count)], order) for value in (float, lambda _: 0.5)
        )
    )
    assert count - 1 not in rising
    assert 0 not in equal
    assert rising or count < 4


@waiting_rules
@pytest.mark.parametrize("count", [1, 2, 9, 10, 27])
def test_a_rule_that_waits_trains_as_many_epochs_as_it_foresees(written, count, folders):
    scheduler = rules.rule(written)
    curves = [[0.1 * trial] * EPOCHS for trial in range(count)]
    search = Search(curves, list(range(count)))
    stopped = stops(decided(play(folders(), scheduler, search), search))
    assert sum(stopped.get(trial, EPOCHS) for trial in range(count)) == ideal_epochs(scheduler, count, EPOCHS)


@every_rule
def test_where_nobody_arrives_nothing_is_decided(written, folders):
    assert play(folders(), rules.rule(written), Search([[], []], [0, 1])) == []
