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
from search.stopping import rules
from search.stopping.base import Arriving, Rule, Waiting, version_of
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
    (halve_all if rules.waits(scheduler) else arrive)(path, scheduler, search, objective)
    return durable.read_lines(path)


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
    assert all(scheduler["grace_period"] <= rung < epochs for rung in rungs)
    assert rungs == [rung for rung in rules.decisive(scheduler, epochs + 9) if rung < epochs], "more epochs only append"


@every_rule
@quick
@given(search=searches(), audit=st.sampled_from([0.0, 0.4]))
def test_a_search_killed_anywhere_decides_the_same(written, search, audit, folders):
    scheduler = rules.rule(written, audit=audit)
    assert play(folders(), scheduler, search) == play(folders(), scheduler, Search(search.curves, search.order))


@every_rule
@quick
@given(search=searches(), audit=st.sampled_from([0.0, 0.4]), version=st.integers(1, 2))
def test_verify_replays_every_decision_and_finds_a_changed_one(written, search, audit, version, folders):
    folder, scheduler = folders(), rules.rule(written, 2, 2, audit)
    if version_of(scheduler) > version:
        scheduler |= {"version": version}
    lines = play(folder, scheduler, search)
    assert problems(folder, scheduler, search, lines) == []
    if lines:
        last = lines[-1]
        word = "continue" if last["decision"] == "stop" else "stop"
        assert problems(folder, scheduler, search, [*lines[:-1], {**last, "decision": word}])


def problems(folder, scheduler, search, decisions):
    """What `verify` says of these decisions, beside that trials went on without one."""
    evidence, stopped = Evidence(folder), stops(decisions)
    trials = {index: files(curve[: stopped.get(index)]) for index, curve in enumerate(search.curves)}
    lines = [Line(f"decisions.jsonl:{place}", line) for place, line in enumerate(decisions, 1)]
    check_decisions(evidence, lines, trials, scheduler, EPOCHS, SEED, [len(search.curves)], MORE)
    return evidence.problems


def files(curve):
    rows = [SimpleNamespace(where="epochs.jsonl") for _ in curve]
    return SimpleNamespace(rows=rows, is_confirmation=False, value=lambda epoch: curve[epoch - 1])


@every_rule
@quick
@given(search=searches())
def test_negated_values_decide_the_same_where_less_is_better(written, search, folders):
    negated = Search([[-value for value in curve] for curve in search.curves], search.order)
    lines = [play(folders(), rules.rule(written), *how) for how in ((search, MORE), (negated, LESS))]
    for line in lines[1]:
        line.update(value=-line["value"], cutoff=None if line["cutoff"] is None else -line["cutoff"])
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
    scheduler = rules.rule(written, audit=0.5)
    plain, audited = (play(folders(), each, search) for each in (rules.rule(written), scheduler))
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
    stopped = stops(lines)
    assert all(line["epoch"] <= stopped.get(line["trial"], EPOCHS) for line in lines)
    assert all(line["value"] == search.curves[line["trial"]][line["epoch"] - 1] for line in lines)


@every_stopping_rule
@pytest.mark.parametrize("count", [1, 2, 5, 9])
def test_of_rising_trials_the_best_goes_on_and_the_first_of_equal_ones(written, count, folders):
    """The only trial is the best. Of those that come in order of merit the weaker are stopped."""
    order = [trial for _ in range(EPOCHS) for trial in reversed(range(count))]
    rising, equal = (
        stops(play(folders(), rules.rule(written), Search([[value(trial)] * EPOCHS for trial in range(count)], order)))
        for value in (float, lambda _: 0.5)
    )
    assert count - 1 not in rising
    assert 0 not in equal
    assert rising or count < 4


@waiting_rules
@pytest.mark.parametrize("count", [1, 2, 9, 10, 27])
def test_a_rule_that_waits_trains_as_many_epochs_as_it_foresees(written, count, folders):
    scheduler = rules.rule(written)
    curves = [[0.1 * trial] * EPOCHS for trial in range(count)]
    stopped = stops(play(folders(), scheduler, Search(curves, list(range(count)))))
    assert sum(stopped.get(trial, EPOCHS) for trial in range(count)) == ideal_epochs(scheduler, count, EPOCHS)


@every_rule
def test_where_nobody_arrives_nothing_is_decided(written, folders):
    assert play(folders(), rules.rule(written), Search([[], []], [0, 1])) == []
