"""What to do next: each check fires on the run that calls for it, stays quiet on the others, and its command is valid."""

import dataclasses
import shlex
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from analysis.diagnostics import rung_agreement
from analysis.diagnostics.importance import Importance, Mattered
from analysis.ranking.standing import stand
from analysis.render.markdown import plain, rendered
from analysis.results.sections import checks
from analysis.results.sections.checks import Finding
from search.run.ledger import Run, Trial

Make = Callable[..., Trial]
MakeRun = Callable[..., Run]
LOG = {"lr": "loguniform(0.0001, 0.1)"}
RISING = (0.2, 0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.9)
FLAT = (0.5, 0.7, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9)


def only(found: list[Finding]) -> Finding:
    (one,) = found
    return one._replace(text=plain(one.text))


def arguments(command: str) -> dict[str, str]:
    """The settings of a command, as a shell reads them."""
    words = shlex.split(command)
    assert words[:2] == ["python", "run_search.py"]
    return dict(zip(words[2::2], words[3::2], strict=True))


def at_rates(trial: Make, *pairs: tuple[float, tuple[float, ...]], status: str = "finished") -> list[Trial]:
    return [trial(place, values, status, lr=lr) for place, (lr, values) in enumerate(pairs)]


def test_a_best_at_the_edge_asks_for_a_wider_range(trial: Make, run: MakeRun) -> None:
    found = run(at_rates(trial, (0.09, FLAT), (0.01, (0.1,) * 10), (0.001, (0.1,) * 10)), space_params=LOG)
    where = stand(found)
    one = only(checks.edges(found, where, where.best))
    assert not one.is_well
    assert "lr: the best value, 9.0e-2, is at the upper edge" in one.text
    settings = arguments(one.command)
    assert settings["--set"] == "lr=loguniform(0.0001, 1)"
    assert settings["--name"] == "lr_sweep-digits-lr"


def test_a_tied_row_inside_the_range_answers_for_the_edge(trial: Make, run: MakeRun) -> None:
    found = run(at_rates(trial, (0.09, FLAT), (0.01, (0.9,) * 10)), space_params=LOG)
    where = stand(found)
    one = only(checks.edges(found, where, where.best))
    assert one.is_well
    assert one.text == (
        "lr: the best value, 9.0e-2, is at the upper edge of what was searched. A row with another value ties with the best, "
        "so this does not call for larger values."
    )
    assert one.command == ""


def test_after_a_confirmation_the_rows_that_tie_are_those_of_the_fresh_seeds(confirmed: Run) -> None:
    """The winner of the fresh seeds, lr 5e-4, has the lowest rate; on them no other row ties with it."""
    space = {"lr": "choice(0.0005, 0.001, 0.002)"}
    found = dataclasses.replace(confirmed, identity=dataclasses.replace(confirmed.identity, space_params=space))
    where = stand(found)
    alone = dataclasses.replace(where, confirmed=where.confirmed.assign(tied=[True, False, False]))
    assert "--set" in only(checks.edges(found, alone, where.best)).command
    tied = dataclasses.replace(where, confirmed=where.confirmed.assign(tied=True))
    assert only(checks.edges(found, tied, where.best)).text.endswith("does not call for smaller values.")


def test_still_improving_asks_for_more_epochs(trial: Make, run: MakeRun) -> None:
    found = run([trial(0, RISING), trial(1, FLAT[:1] * 10)])
    one = only(checks.lengths(found, stand(found)))
    assert not one.is_well
    assert "may still have been improving" in one.text
    assert "the last 2 of its 10 epochs brought +15.00 points. " in one.text
    assert (
        "Chance alone moves its value by about 1.67 points from one epoch to the next (standard deviation)." in one.text
    )
    assert arguments(one.command)["--epochs"] == "15"
    assert "--name" not in arguments(one.command)


def test_a_schedule_of_known_length_needs_another_run(trial: Make, run: MakeRun) -> None:
    found = run([trial(0, RISING, schedule="cosine")])
    assert arguments(only(checks.lengths(found, stand(found))).command)["--name"] == "lr_sweep-digits-longer"


def test_a_flat_end_is_well(trial: Make, run: MakeRun) -> None:
    found = run([trial(0, FLAT)])
    assert only(checks.lengths(found, stand(found))).is_well


def test_a_rising_validation_loss_is_overfitting(trial: Make, run: MakeRun) -> None:
    one = trial(0, FLAT, augment="none")
    for row in one.epochs[5:]:
        row["val_loss"] = 0.5 + row["epoch"] / 10
    found = run([one])
    finding = only(checks.overfitting(found, stand(found)))
    assert not finding.is_well
    assert arguments(finding.command)["--set"] == "augment=standard"
    assert only(checks.overfitting(run([trial(0, FLAT)]), stand(run([trial(0, FLAT)])))).is_well


def test_diverged_trials_have_their_region(trial: Make, run: MakeRun) -> None:
    pairs = [(0.0001 * 2**place, FLAT) for place in range(8)]
    well = at_rates(trial, *pairs)
    bad = [trial(8 + place, (0.1,), "diverged", epochs=10, lr=lr) for place, lr in enumerate((0.05, 0.08))]
    found = run([*well, *bad], space_params=LOG)
    one = only(checks.divergence(found, stand(found).trials))
    assert "2 of 10 trials diverged (20 %), all with lr ≥ 5.0e-2; 100 % of the trials there did" in one.text
    assert arguments(one.command)["--set"] == "lr=loguniform(0.0001, 0.05)"


def test_diverged_trials_everywhere_have_no_region(trial: Make, run: MakeRun) -> None:
    trials = [trial(place, FLAT, lr=0.0001 * 2**place) for place in range(1, 8)]
    bad = [trial(8 + place, (0.1,), "diverged", epochs=10, lr=lr) for place, lr in enumerate((0.0001, 0.08))]
    found = run([*trials, *bad], space_params=LOG)
    assert "no part of one parameter" in only(checks.divergence(found, stand(found).trials)).text


def test_a_top_within_chance_asks_for_seeds(trial: Make, run: MakeRun) -> None:
    found = run([trial(place, (0.9 - place / 300,)) for place in range(4)])
    one = only(checks.spread(found, stand(found)))
    assert not one.is_well
    assert one.text.startswith(
        "The validation images cannot tell the best network from the 3 others. The last of them lies 1.00 points behind. "
    )
    assert "All 6 pairs are compared, so it takes a larger difference than for a single pair." in one.text
    assert arguments(one.command)["--confirm"] == "4"
    apart = run([trial(place, (0.9 - place / 5,)) for place in range(4)])
    clear = only(checks.spread(apart, stand(apart)))
    assert clear.text.startswith(
        "The best network is ahead of each of the 3 others by more than the noise of the validation"
    )
    assert "The second lies 20.00 points behind." in clear.text
    assert "It has one seed; fresh seeds may rank otherwise." in clear.text
    assert (clear.is_well, arguments(clear.command)["--confirm"]) == (False, "4")


def test_a_best_that_is_ahead_over_seeds_is_well(seeded: Run) -> None:
    where = stand(seeded)
    ahead = dataclasses.replace(where, board=where.board.assign(tied=[True, False, False]))
    one = only(checks.spread(seeded, ahead))
    assert one.is_well
    assert one.text.startswith("The best is ahead of each of the 2 others by more than the noise of the seeds. ")
    tied = only(checks.spread(seeded, dataclasses.replace(where, board=where.board.assign(tied=[True, True, False]))))
    assert tied.text.startswith("The seeds cannot tell the best from 1 of the 2 others. That one lies ")


@pytest.mark.parametrize(
    ("values", "who", "top"),
    [
        ((0.9, 0.899, 0.3), "1 of the 2 others", "2"),  # ties 1 and 2, and the third differs from both
        ((0.9, 0.899), "the other", "2"),
        ((0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.1), "6 of the 7 others", "5"),
    ],
)
def test_a_tie_at_the_top_is_no_difference_because_others_are_behind(
    trial: Make, run: MakeRun, values: tuple[float, ...], who: str, top: str
) -> None:
    found = run([trial(place, (value,), lr=0.01 + place) for place, value in enumerate(values)])
    one = only(checks.spread(found, stand(found)))
    assert not one.is_well
    assert f"The validation images cannot tell the best network from {who}." in one.text
    assert ("pairs are compared" in one.text) == (len(values) > 2)
    assert arguments(one.command)["--confirm"] == top


def test_what_is_being_confirmed_is_not_to_be_confirmed_again(confirmed: Run) -> None:
    waiting = [
        dataclasses.replace(each, outcome=None, epochs=[]) if each.source == "confirm" else each
        for each in confirmed.trials
    ]
    for trials in (waiting, confirmed.search_trials):  # planned, and asked for
        found = dataclasses.replace(confirmed, trials=trials)
        one = only(checks.spread(found, stand(found)))
        assert ("cannot tell the best network" in one.text, one.command) == (True, "")


def test_a_validation_loss_that_rises_with_the_training_loss_does_not_end_near_its_lowest(
    trial: Make, run: MakeRun
) -> None:
    one = trial(0, FLAT)
    rows = [{**row, "val_loss": row["epoch"], "train_loss": row["epoch"]} for row in one.epochs]
    found = run([dataclasses.replace(one, epochs=rows)])
    told = only(checks.overfitting(found, stand(found)))
    assert told.is_well
    assert told.text == "The best does not overfit: its training loss rose with its validation loss."


def test_knobs_without_effect_are_fixed(trial: Make, run: MakeRun) -> None:
    found = run([trial(0, FLAT, lr=0.01)])
    best = stand(found).best
    assert best is not None
    known = {"lr": Importance(0.9, 0.1, 0.001, 0.002), "dropout": Importance(0.1, 0.1, 0.4, 0.4)}
    one = only(checks.knobs(found, best, Mattered(known, [], 10, 60)))
    assert one.text.startswith("No effect beyond chance was seen: dropout. A search with it fixed ")
    assert arguments(one.command)["--set"] == "dropout=0.0"
    assert checks.knobs(found, best, Mattered(known, [], 10, 20)) == []
    assert checks.knobs(found, best, None) == []


def test_a_knob_between_chance_and_effect_is_neither_fixed_nor_called_effective(trial: Make, run: MakeRun) -> None:
    """Above chance by itself, but not once all parameters are counted."""
    found = run([trial(0, FLAT, lr=0.01)])
    best = stand(found).best
    assert best is not None
    effect, between = Importance(0.9, 0.1, 0.001, 0.002), Importance(0.1, 0.1, 0.04, 0.08)
    assert checks.knobs(found, best, Mattered({"lr": effect, "dropout": between}, [], 10, 60)) == []
    assert only(checks.knobs(found, best, Mattered({"lr": effect}, [], 10, 60))).is_well
    assert checks.knobs(found, best, Mattered({"lr": effect}, ["dropout"], 10, 60)) == []


def test_a_conditional_knob_is_not_fixed_for_all_cases(drawn: Callable[..., Run]) -> None:
    """The decay of SGD is none for AdamW, and what only muon reads cannot be set for all."""
    found = drawn("optimizer", 12, lambda config, dice: 0.5 + 0.1 * (config["optimizer"] == "muon"))
    best = stand(found).best
    assert best is not None
    effect, idle = Importance(0.8, 0.1, 0.001, 0.003), Importance(0.1, 0.1, 0.5, 0.5)
    known = {"optimizer": effect, "weight_decay": idle, "adamw_lr": idle}
    one = only(checks.knobs(found, best, Mattered(known, [], 1, 60)))
    assert (one.text, one.command) == ("No effect beyond chance was seen: weight_decay, adamw_lr.", "")
    mixed = only(checks.knobs(found, best, Mattered(known | {"momentum": idle}, [], 1, 60)))
    assert "weight_decay, adamw_lr, momentum. A search with momentum fixed" in mixed.text
    assert arguments(mixed.command)["--set"] == "momentum=0.9"


def test_a_conditional_best_at_the_edge_of_its_case_is_told(trial: Make, run: MakeRun) -> None:
    """A rate in the middle of all cases lies at the edge of its own."""
    known = {
        "optimizer": "choice(sgd, adamw)",
        "lr": "when(optimizer: sgd=loguniform(0.01, 1), adamw=loguniform(0.0001, 0.1))",
    }
    trials = [trial(0, FLAT, optimizer="adamw", lr=0.095), trial(1, (0.1,) * 10, optimizer="sgd", lr=0.1)]
    found = run(trials, space_params=known)
    where = stand(found)
    one = only(checks.edges(found, where, where.best))
    assert one.text.startswith(
        "lr: the best value, 9.5e-2, is at the upper edge of what was searched with optimizer adamw. Widen"
    )
    assert one.command == ""  # --set cannot say it
    inside = dataclasses.replace(found, trials=[trial(0, FLAT, optimizer="sgd", lr=0.095), trials[1]])
    where = stand(inside)
    assert only(checks.edges(inside, where, where.best)).text == "The best value of lr lies inside its range."


def rungs_run(trial: Make, run: MakeRun, order: list[int], **more: Any) -> Run:
    """Eight finished trials whose order at epoch 1 is `order`, and at the end that of the plan."""
    trials = [trial(place, (0.1 + early / 100, 0.5 + place / 100)) for place, early in enumerate(order)]
    found = run(trials, scheduler={"name": "asha", "grace_period": 1, "reduction_factor": 3})
    decisions = [{"trial": t.index, "epoch": 1, "value": t.values[0], "decision": "continue"} | more for t in trials]
    return dataclasses.replace(found, decisions=decisions)


def test_a_rung_that_disagrees_with_the_end_should_wait(trial: Make, run: MakeRun) -> None:
    found = rungs_run(trial, run, [7, 6, 5, 4, 3, 2, 1, 0])
    (rung,) = rung_agreement.rungs(found)
    assert rung.agreement == pytest.approx(-1)
    command = only(checks.stopping(found)).command
    assert arguments(command)["--scheduler"] == "none", "the next rung would be no rung of so few epochs"
    longer = dataclasses.replace(found, totals=dataclasses.replace(found.totals, epochs=9))
    assert arguments(only(checks.stopping(longer)).command)["--grace-period"] == "3"
    assert not checks.stopping(rungs_run(trial, run, [3, 2, 1, 0])), "so few would disagree by chance"
    assert only(checks.stopping(rungs_run(trial, run, list(range(8))))).is_well


def test_an_order_among_trials_that_were_chosen_by_it_is_not_held_against_the_rung(trial: Make, run: MakeRun) -> None:
    """Of those that were stopped nothing is known: no audited trial stands for them, or only for some."""
    stopped = [{"trial": place, "epoch": 1, "value": 0.1, "decision": "stop"} for place in (20, 21, 22)]
    for order, audited, is_well, share in (
        ([7, 6, 5, 4, 3, 2, 1, 0], False, False, "0.1"),
        ([7, 6, 5, 4, 3, 2, 1, 0], True, False, "0.4"),
        (list(range(8)), False, True, ""),
    ):
        found = rungs_run(trial, run, order)
        decisions = found.decisions + stopped
        if audited:  # at another rung
            decisions.append({"trial": 0, "epoch": 2, "value": 0.1, "decision": "continue", "audit": True})
            found = dataclasses.replace(
                found, identity=dataclasses.replace(found.identity, scheduler=found.identity.scheduler | {"audit": 0.2})
            )
        one = only(checks.stopping(dataclasses.replace(found, decisions=decisions)))
        assert one.is_well == is_well
        assert "of the trials that went on" in one.text
        assert "Nothing is known of 3 trials that it stopped." in one.text
        assert is_well or arguments(one.command)["--audit"] == share


def test_a_rung_is_held_to_the_values_that_it_judged_by(trial: Make, run: MakeRun) -> None:
    """A cut judges by the best value so far, which may be of an earlier epoch."""
    found = rungs_run(trial, run, [7, 6, 5, 4, 3, 2, 1, 0])
    judged = [record | {"value": record["trial"]} for record in found.decisions]
    (rung,) = rung_agreement.rungs(dataclasses.replace(found, decisions=judged))
    assert rung.agreement == pytest.approx(1)


def test_the_agreement_is_spearmans(trial: Make, run: MakeRun) -> None:
    from scipy.stats import spearmanr

    order = [3, 0, 5, 5, 1, 7, 2, 6]
    (rung,) = rung_agreement.rungs(rungs_run(trial, run, order))
    assert rung.agreement == pytest.approx(spearmanr(order, range(8)).statistic)


def test_the_audit_corrects_what_the_rung_chose() -> None:
    """Simulated: among the survivors of a rung the correlation looks weaker than it is; weighted audited trials repair it."""
    dice, naive, weighted, truth = np.random.default_rng(0), [], [], []
    for _ in range(200):
        early = dice.normal(size=300)
        late = early + dice.normal(size=300)
        stopped = early < np.quantile(early, 2 / 3)
        audited = stopped & (dice.random(300) < 0.2)
        weight = np.where(audited, stopped.sum() / max(1, audited.sum()), 1.0)
        for kept, into in ((~stopped, naive), (~stopped | audited, weighted), (np.full(300, True), truth)):
            own = weight[kept] if into is weighted else np.ones(kept.sum())
            ranks = [rung_agreement.weighted_ranks(values[kept], own) for values in (early, late)]
            first, second = (each - np.average(each, weights=own) for each in ranks)
            into.append((own * first * second).sum() / np.sqrt((own * first**2).sum() * (own * second**2).sum()))
    assert np.mean(naive) < np.mean(truth) - 0.15
    assert np.mean(weighted) == pytest.approx(np.mean(truth), abs=0.02)


def test_an_audited_trial_stands_for_those_that_were_stopped_with_it(trial: Make, run: MakeRun) -> None:
    found = rungs_run(trial, run, list(range(8)))
    kept = [{**record, "audit": True} if record["trial"] == 0 else record for record in found.decisions]
    stopped = [{"trial": place, "epoch": 1, "value": 0.1, "decision": "stop"} for place in (20, 21, 22)]
    assert rung_agreement.weigh(dataclasses.replace(found, decisions=[*kept, *stopped])) == {0: 4.0}


def test_a_search_without_a_winner_has_no_checks(trial: Make, run: MakeRun) -> None:
    found = run([trial(0, (), "failed")])
    assert rendered(checks.section(found, stand(found), None)) == ""


def test_a_gain_at_the_end_within_noise_is_called_that(trial: Make, run: MakeRun) -> None:
    """It is no sign that the best had stopped improving: its last epoch is its best."""
    found = run([trial(0, (0.5, 0.6, 0.7, 0.8, 0.9, 0.9, 0.9, 0.9, 0.9, 0.91)), trial(1, (0.1,) * 10)])
    one = only(checks.lengths(found, stand(found)))
    assert one.is_well
    assert one.text.startswith(
        "The best is not shown to have improved beyond chance at its end: the last 2 of its 10 epochs brought +1.00 points"
    )
    flat = run([trial(0, FLAT)])
    assert only(checks.lengths(flat, stand(flat))).text == "The best did not improve after epoch 3 of 10."


def test_the_same_curve_has_the_same_verdict_whatever_stands_beside_it(trial: Make, run: MakeRun) -> None:
    """What the images do to the difference of two networks says nothing of two epochs of one of them."""
    bumpy = tuple(0.5 + place / 100 + (0.03 if place % 2 else 0) for place in range(10))
    others = [(), ((0.1,) * 10,), (tuple(value - 0.001 for value in bumpy), (0.2,) * 10)]
    boards = [run([trial(0, bumpy), *(trial(1 + place, other) for place, other in enumerate(more))]) for more in others]
    texts = {only(checks.lengths(board, stand(board))).text for board in boards}
    assert len(texts) == 1
    assert "not shown to have improved beyond chance" in texts.pop()


def test_a_steady_rise_is_no_chance_however_many_epochs_it_takes(trial: Make, run: MakeRun) -> None:
    found = run([trial(0, tuple(0.5 + place / 100 for place in range(10)))])
    assert only(checks.lengths(found, stand(found))).text.startswith("The best may still have been improving")
    assert checks.between_epochs([0.5 + place / 100 for place in range(10)]) == pytest.approx(0)


def test_noise_between_epochs_is_what_it_was_made_with() -> None:
    dice = np.random.default_rng(0)
    found = [checks.between_epochs(list(np.arange(40) / 100 + dice.normal(0, 0.02, 40))) for _ in range(200)]
    assert np.mean(np.square(found)) ** 0.5 == pytest.approx(2**0.5 * 0.02, rel=0.1)


def test_a_search_in_which_everything_diverged_is_told_to_go_slower(trial: Make, run: MakeRun) -> None:
    found = run([trial(place, (0.1,), "diverged", lr=0.01 + place / 100) for place in range(3)], space_params=LOG)
    text = rendered(checks.section(found, stand(found), None))
    assert "All 3 trials diverged: search lower rates." in text
    assert "--set lr=1e-05,0.001" in text


def test_after_a_confirmation_the_fresh_seeds_say_what_differs(confirmed: Run) -> None:
    where = stand(confirmed)
    one = only(checks.spread(confirmed, where))
    tied = int(where.confirmed["tied"].sum())
    assert one.text.startswith(
        "On fresh seeds the best " if tied == 1 else "The fresh seeds cannot tell the best from "
    )
    assert ("ahead of each of the 2 others by more than the noise of the seed" in one.text) == (tied == 1)
    some = dataclasses.replace(where, confirmed=where.confirmed.assign(tied=[True, False, True]))
    text = only(checks.spread(confirmed, some)).text
    assert "The fresh seeds cannot tell the best from 1 of the 2 others. That one lies " in text


def test_values_that_can_only_lie_at_an_end_are_not_called_inside(trial: Make, run: MakeRun) -> None:
    known = {"optimizer": "choice(adamw, sgd)", "weight_decay": "choice(0.0001, 0.0005)", "depth": "choice(1, 2, 3)"}
    trials = [trial(place, (0.9 - place / 10,) * 3, depth=2 + place, weight_decay=1e-4) for place in range(2)]
    found = run(trials, space_params=known)
    where = stand(found)
    assert only(checks.edges(found, where, where.best)).text == "The best value of depth lies inside its range."


@pytest.mark.parametrize(("share", "flag", "value"), [(0.35, "--share", "70%"), (0.6, "--scheduler", "none")])
def test_a_ladder_that_disagrees_with_the_end_should_stop_fewer(
    trial: Make, run: MakeRun, share: float, flag: str, value: str
) -> None:
    found = rungs_run(trial, run, [7, 6, 5, 4, 3, 2, 1, 0])
    ladder = dataclasses.replace(found.identity, scheduler={"name": "ladder", "share": share})
    asked = arguments(only(checks.stopping(dataclasses.replace(found, identity=ladder))).command)
    assert asked[flag] == value
    assert "--grace-period" not in asked


def test_a_single_rung_waits_longer_by_another_number_of_epochs(trial: Make, run: MakeRun) -> None:
    found = rungs_run(trial, run, [7, 6, 5, 4, 3, 2, 1, 0])
    rule = {"name": "epochs", "budget": 1, "grace_period": 1, "reduction_factor": 3}
    longer = dataclasses.replace(
        found,
        identity=dataclasses.replace(found.identity, scheduler=rule),
        totals=dataclasses.replace(found.totals, epochs=9),
    )
    asked = arguments(only(checks.stopping(longer)).command)
    assert (asked["--scheduler"], "--grace-period" in asked) == ("epochs:3", False)
