"""The later parts of results.md: winner on test, early stopping, failures, provenance."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis.diagnostics import rung_agreement
from analysis.ranking.standing import stand
from analysis.render.markdown import rendered
from analysis.results import page, printed
from analysis.results.sections.early_stopping import early_stopping
from analysis.results.sections.failures import failures
from analysis.results.sections.provenance import provenance
from analysis.results.sections.test_metrics import winner_on_test
from search.run import ledger
from search.run.ledger import Run, Trial

Make = Callable[..., Trial]
MakeRun = Callable[..., Run]
Rates = Callable[[], list[Trial]]


def scored(run: Run, trial: int, epoch: int, classes: int = 10) -> Run:
    """The run after its test split was read for this trial."""
    matrix = [[28 if row == column else 0 for column in range(classes)] for row in range(classes)]
    metrics: dict[str, Any] = {"count": 300, "accuracy": 0.98, "top5_accuracy": 0.995, "macro_f1": 0.979}
    metrics |= {"per_class_accuracy": [1.0] * classes, "confusion_matrix": matrix}
    line = {"weights": "a", "trial": trial, "epoch": epoch}
    return dataclasses.replace(run, tests=[line | {"state": "intent"}, line | {"state": "done", "metrics": metrics}])


def test_the_winner_has_its_test_metrics(rates: Rates, run: MakeRun) -> None:
    found = scored(run(rates()), trial=1, epoch=2)
    text = rendered(winner_on_test(found, stand(found)))
    for part in (
        "98.00 % (95 % interval 95.71 to 99.08 %)",
        "99.50 %",
        "0.9790",
        "read 1 time.",
        "| 9       |       28 |",
    ):
        assert part in text


@pytest.mark.parametrize(("trial", "epoch"), [(0, 2), (1, 3)], ids=["another trial", "another epoch"])
def test_metrics_of_other_weights_are_not_the_winners(rates: Rates, run: MakeRun, trial: int, epoch: int) -> None:
    found = scored(run(rates()), trial, epoch)
    text = rendered(winner_on_test(found, stand(found)))
    assert "Not evaluated" in text
    assert "read 1 time." in text


def test_many_classes_are_folded_away(rates: Rates, run: MakeRun) -> None:
    found = scored(run(rates(), classes=[f"class {place}" for place in range(100)]), 1, 2, classes=100)
    assert "<summary>Accuracy of each of 100 classes</summary>" in rendered(winner_on_test(found, stand(found)))


def test_without_a_winner_nothing_is_tested(trial: Make, run: MakeRun) -> None:
    found = run([trial(0, (), "failed")])
    assert rendered(winner_on_test(found, stand(found))) == ""


def test_rungs_tell_who_reached_them_and_what_was_saved(trial: Make, run: MakeRun) -> None:
    trials = [
        trial(0, (0.5,) * 9),
        trial(1, (0.4,), "stopped", epochs=9),
        trial(2, (0.4, 0.4, 0.4), "stopped", epochs=9),
    ]
    asha = {"name": "asha", "grace_period": 1, "reduction_factor": 3}
    found = run(trials, scheduler=asha)
    gone_on = [
        {"trial": index, "epoch": epoch, "decision": "continue"} for index, epoch in ((0, 1), (2, 1), (0, 3), (0, 3))
    ]
    text = rendered(early_stopping(dataclasses.replace(found, decisions=found.decisions + gone_on)))
    assert "With ASHA the search has trained 13 of the 27 epochs" in text
    assert "(48.1 %)" in text
    assert [line.replace(" ", "") for line in text.splitlines()[-2:]] == ["|1|3|1|2|", "|3|2|1|1|"]


def audited_run(trial: Make, run: MakeRun, spared: dict[int, int], status: str = "finished") -> Run:
    """Five trials went on; at epochs 1 and 3 two more were stopped each, and some were spared.

    Args:
        spared: trials (from 9) to the epoch where the audit kept them alive.
    """
    own = [trial(index, (0.5 + index / 100,) * 4, lr=0.1 + index) for index in range(5)]
    stopped = [
        trial(5 + index, (0.4,) * (1, 1, 3, 3)[index], "stopped", epochs=4, lr=9.0 + index) for index in range(4)
    ]
    kept = [trial(index, (0.4,) * 4, status, lr=20.0 + index) for index in spared]
    found = run(
        [*own, *stopped, *kept], scheduler={"name": "asha", "grace_period": 1, "reduction_factor": 3, "audit": 0.1}
    )
    decisions = [{"trial": index, "epoch": epoch, "decision": "continue", "value": 0.5 + index / 100}
                 for index in range(5) for epoch in (1, 3)]  # fmt: skip
    audits = [{"trial": trial, "epoch": epoch, "decision": "continue", "value": 0.4, "audit": True}
              for trial, first in spared.items() for epoch in (1, 3) if epoch >= first]  # fmt: skip
    return dataclasses.replace(found, decisions=[*found.decisions, *decisions, *audits])


def test_the_audit_says_which_rungs_it_does_not_represent(trial: Make, run: MakeRun) -> None:
    """A trial spared at epoch 1 passes epoch 3 as well, but stands for none of those that were stopped there."""
    text = rendered(early_stopping(audited_run(trial, run, {9: 1})))
    assert (
        "Each trial that ran on for the audit stands for those that were stopped with it. 2 of the 4 stopped trials"
        in text
    )
    assert "are left out, because no audited trial finished of their rung (epoch 3)." in text
    assert "(epoch 1)." in rendered(early_stopping(audited_run(trial, run, {9: 3})))
    whole = rendered(early_stopping(audited_run(trial, run, {9: 1, 10: 3})))
    assert "stands for those that were stopped with it." in whole
    assert "left out" not in whole


def test_the_last_decision_about_a_rung_of_a_search_that_grew_counts(trial: Make, run: MakeRun) -> None:
    """The rung was decided anew: what was audited goes on now, and two more were stopped with another audited one."""
    trials = [trial(index, (0.5,) * 4, lr=1.0 + index) for index in range(3)]
    trials += [trial(3 + index, (0.4,), "stopped", epochs=4, lr=9.0 + index) for index in range(3)]
    found = run(trials, scheduler={"name": "asha", "grace_period": 1, "reduction_factor": 3, "audit": 0.1})
    line = {"epoch": 1, "value": 0.5, "decision": "continue"}
    first = [line | {"trial": 0}, line | {"trial": 1, "audit": True}, line | {"trial": 3, "decision": "stop"}]
    again = [line | {"trial": 0}, line | {"trial": 1}, line | {"trial": 2, "audit": True}]
    stops = [line | {"trial": index, "decision": "stop"} for index in (3, 4, 5)]
    grown = dataclasses.replace(found, decisions=[*first, *again, *stops])
    assert rung_agreement.weigh(grown) == {2: 1 + 3}
    assert [each.index for each in rung_agreement.audited(grown)] == [2]


def test_an_audited_trial_that_did_not_finish_stands_for_none(trial: Make, run: MakeRun) -> None:
    text = rendered(early_stopping(audited_run(trial, run, {9: 1, 10: 3}, "diverged")))
    assert (
        "4 of the 4 stopped trials are left out, because no audited trial finished of their rung (epoch 1, 3)." in text
    )


def sha_of_27(trial: Make, run: MakeRun, diverged: int, name: str = "sha", **rule: Any) -> Run:
    """A search of 27 trials of which so many diverged before epoch 1, and 9 of the others may go on from there."""
    left = range(27 - diverged)
    trials = [trial(index, (0.5,), *([] if index < 9 else ["stopped"]), lr=0.1 + index) for index in left]
    trials += [trial(index, (), "diverged", lr=0.1 + index) for index in range(len(left), 27)]
    trials = [dataclasses.replace(each, config=each.config | {"epochs": 3}) for each in trials]
    scheduler = {"name": name, "grace_period": 1, "reduction_factor": 3, "version": 2} | rule
    gone_on = [{"trial": index, "epoch": 1, "decision": "continue"} for index in left if index < 9]
    found = run(trials, scheduler=scheduler)
    return dataclasses.replace(found, decisions=found.decisions + gone_on)


@pytest.mark.parametrize("rule", [{}, {"name": "epochs", "budget": 1}])
def test_a_rung_with_a_place_for_all_that_were_left_says_so(trial: Make, run: MakeRun, rule: dict[str, Any]) -> None:
    told = "At epoch 1 none was stopped: 7 trials of 27 got there, and 9 may go on."
    assert told in rendered(early_stopping(sha_of_27(trial, run, 20, **rule)))
    assert "9 trials of 27 got there, and 9 may go on." in rendered(early_stopping(sha_of_27(trial, run, 18, **rule)))
    for other in (sha_of_27(trial, run, 10, **rule), sha_of_27(trial, run, 20, **rule | {"version": 1})):
        assert "none was stopped" not in rendered(early_stopping(other))


def test_a_rung_at_which_some_have_not_arrived_yet_says_nothing(trial: Make, run: MakeRun) -> None:
    found = sha_of_27(trial, run, 20)
    trials = [*found.trials[:-1], trial(26, (), "planned", epochs=3, lr=26.1)]
    assert "none was stopped" not in rendered(early_stopping(dataclasses.replace(found, trials=trials)))


CUT = {"sequence": 0, "totals": 1, "epoch": 1, "whole": 4, "until": 4, "quota": 2, "cutoff": 0.5}


def of_cuts(trial: Make, run: MakeRun, *cuts: dict[str, Any], seeds: int = 1) -> str:
    """What is said of four trials with one rung, after epoch 1, from which two configurations go on."""
    trials = [trial(index, (0.5,) * 4, lr=0.1 + index) for index in range(4)]
    found = run(trials, scheduler={"name": "sha", "grace_period": 1, "reduction_factor": 3, "version": 3})
    totals = dataclasses.replace(found.totals, rungs=[[1, 2]], trials=4 // seeds, seeds=seeds)
    return rendered(early_stopping(dataclasses.replace(found, totals=totals, cuts=list(cuts))))


def test_the_places_of_a_rule_that_cuts_are_told(trial: Make, run: MakeRun) -> None:
    told = "configurations the best 2 could go on from epoch 1, by the best value so far"
    assert f"Of 4 {told}. All waited for each other there" in of_cuts(trial, run)
    assert f"Of 2 {told}, the mean over the seeds. All waited" in of_cuts(trial, run, seeds=2)


def test_a_cut_with_a_place_for_all_that_came_says_so(trial: Make, run: MakeRun) -> None:
    told = "At epoch 1 all went on: 1 configuration got there, and 2 may go on."
    assert told in of_cuts(trial, run, CUT | {"goes_on": [0], "stops": []})
    assert told in of_cuts(trial, run, CUT | {"goes_on": [0, 1], "stops": []}, seeds=2)
    for audit in ({"stops": [2, 3]}, {"stops": [], "audit": [2]}):
        assert "all went on" not in of_cuts(trial, run, CUT | {"goes_on": [0, 1]} | audit)


def test_a_cut_among_equal_values_says_that_the_plan_decided(trial: Make, run: MakeRun) -> None:
    told = "At epoch 1 {} left behind had the same value as the last that went on; among equal ones the first planned go on."
    cut = CUT | {"goes_on": [0, 1], "stops": [2, 3]}
    assert told.format("2 configurations that were") in of_cuts(trial, run, cut)
    assert told.format("1 configuration that was") in of_cuts(trial, run, cut | {"goes_on": [0, 1, 2], "stops": [3]})
    assert "the same value as" not in of_cuts(trial, run, cut | {"cutoff": 0.6})


def test_a_trial_that_was_called_back_is_named(trial: Make, run: MakeRun) -> None:
    thaw = {"sequence": 1, "totals": 1, "epoch": 1, "whole": 4, "thaw": [2]}
    cut = CUT | {"goes_on": [0, 1], "stops": [2, 3]}
    told = "the best one left behind at epoch 1 was called back and trained to the end: "
    identifier = trial(2, (0.5,), lr=2.1).id
    assert f"{told}{identifier}." in of_cuts(trial, run, cut, thaw)
    assert told not in of_cuts(trial, run, cut)


def test_without_a_scheduler_there_is_no_word_of_stopping(rates: Rates, run: MakeRun) -> None:
    assert rendered(early_stopping(run(rates()))) == ""


def test_one_cause_is_one_line(trial: Make, run: MakeRun) -> None:
    """Same error and place: one row with the number and some ids; folders of the machine are left out."""
    trials = [trial(index, (), "failed") for index in range(6)]
    broken = {"outcome": "failed", "error": "FileNotFoundError: /home/ann/<x>|.png", "where": "data.py:7"}
    trials[5] = dataclasses.replace(trials[5], outcome=broken)
    found = run(trials)
    text = rendered(failures(found, page.rank(found)))
    rows = [line for line in text.splitlines() if line.startswith("|")][2:]
    assert len(rows) == 2
    assert rows[0].startswith("|   5 | RuntimeError: broken")
    assert rows[0].count("](trials/") == 3
    assert "FileNotFoundError: &lt;x&gt;\\|.png" in rows[1]


def test_diverged_trials_are_named(trial: Make, run: MakeRun) -> None:
    found = run([trial(index, (0.1,), "diverged", epochs=3) for index in range(5)])
    text = rendered(failures(found, page.rank(found)))
    assert text.startswith("## Failures\n\n5 trials diverged")
    assert text.endswith(" and 2 more.")


def test_a_failure_on_a_fresh_seed_is_named_too(confirmed: Run) -> None:
    broken = {"outcome": "failed", "error": "OutOfMemoryError: 3 GiB", "where": "nets.py:7"}
    trials = [
        dataclasses.replace(each, outcome=broken) if each.confirms and each.seed == 71 else each
        for each in confirmed.trials
    ]
    found = dataclasses.replace(confirmed, trials=trials)
    assert "|   3 | OutOfMemoryError: 3 GiB | nets.py:7 |" in page.render(found)
    assert "3 trials failed, the first with OutOfMemoryError: 3 GiB in nets.py:7" in printed.brief(found, stand(found))


def test_no_failures_no_section(rates: Rates, run: MakeRun) -> None:
    found = run(rates())
    assert rendered(failures(found, page.rank(found))) == ""


def test_provenance_shows_known_facts_only(rates: Rates, run: MakeRun) -> None:
    """A key that this program does not know, a secret perhaps, is not copied into a file that people share."""
    extra: dict[str, Any] = {"token": "canary", "versions": {"torch": "2.15.0"}}
    found = run(rates(), **extra)
    text = rendered(provenance(found, page.rank(found), ["depth", "weight_decay"]))
    assert "canary" not in text
    for part in (
        "| depth ",
        "| 5.0e-4",
        "0123456789abcdef0123456789abcdef",
        "2.15.0",
        "choice\\(0.001, 0.0005, 0.0001\\)",
    ):
        assert part in text


def test_changes_that_were_allowed_stay_visible(
    rates: Rates, run: MakeRun, save: Callable[[Path, Run], Path], tmp_path: Path
) -> None:
    """Those of every continuation, not only of the last."""
    found = run(rates())
    folder = save(tmp_path / "run", found)
    line = '{"trials": 3, "epochs": 3, "seeds": 1, "allowed": [%s]}\n'
    (folder / "totals.jsonl").write_text(line % '"torch: 1 is now 2"' + line % "")
    found = dataclasses.replace(found, history=ledger.read_totals(folder))
    assert "torch: 1 is now 2" in rendered(provenance(found, page.rank(found), []))


def answered(run: Run, matrix: list[list[int]], recorded_f1: float) -> Run:
    """The run after its test split was read, with this confusion matrix."""
    images = [sum(row) for row in matrix]
    right = [row[place] for place, row in enumerate(matrix)]
    shares = [
        own / number if number else 0.0 for own, number in zip(right, images, strict=True)
    ]  # 0.0 as early runs had it
    metrics: dict[str, Any] = {"count": sum(images), "accuracy": sum(right) / sum(images), "macro_f1": recorded_f1}
    metrics |= {"per_class_accuracy": shares, "confusion_matrix": matrix}
    line = {"weights": "a", "trial": 1, "epoch": 2, "state": "done", "metrics": metrics}
    return dataclasses.replace(
        run, tests=[line], identity=dataclasses.replace(run.identity, classes=list("abc")[: len(matrix)])
    )


def test_a_class_without_test_images_is_in_no_mean_also_of_early_runs(rates: Rates, run: MakeRun) -> None:
    found = answered(run(rates()), [[8, 2, 0], [1, 9, 0], [0, 0, 0]], recorded_f1=0.567)
    text = rendered(winner_on_test(found, stand(found))).replace(" ", "")
    assert "|macroF1|0.8496(over2of3classes:theothershavenoimages)|" in text
    assert "|c|0|–|" in text


def test_the_majority_stands_beside_a_test_accuracy_of_lopsided_classes(rates: Rates, run: MakeRun) -> None:
    lopsided = answered(run(rates()), [[98, 0], [2, 0]], recorded_f1=0.49)
    assert "|alwaysthemostcommonclassofthetestsplit|98.00%|" in rendered(
        winner_on_test(lopsided, stand(lopsided))
    ).replace(" ", "")
    equal = answered(run(rates()), [[8, 2], [1, 9]], recorded_f1=0.85)
    assert "most common" not in rendered(winner_on_test(equal, stand(equal)))
