"""Where trials diverged: found for every kind of parameter, and not claimed where it is everywhere."""

from collections.abc import Callable
from typing import Any

import pytest

from analysis.diagnostics import regions
from analysis.diagnostics.regions import Region
from analysis.ranking.standing import stand
from analysis.render.markdown import plain
from analysis.results.sections import checks
from search.run.ledger import Run, Trial

Make = Callable[..., Trial]
MakeRun = Callable[..., Run]
Drawn = Callable[..., Run]


def region(run: Run) -> Region | None:
    """Its words as they are read."""
    found = regions.region(run, stand(run).trials)
    return found and found._replace(words=plain(found.words))


def lost(trial: Make, run: MakeRun, known: dict[str, str], *configs: tuple[bool, dict[str, Any]]) -> Run:
    """A run of these configurations; the true ones diverged."""
    trials = [
        trial(place, (0.5,), "diverged" if is_lost else "finished", **config)
        for place, (is_lost, config) in enumerate(configs)
    ]
    return run(trials, space_params=known)


def test_a_conditional_rate_has_a_region(drawn: Drawn) -> None:
    found = drawn("optimizer", 60, lambda config, dice: float("nan") if config["lr"] >= 0.05 else 0.5)
    (one,) = checks.divergence(found, stand(found).trials)
    smallest = min(trial.config["lr"] for trial in found.trials if trial.status == "diverged")
    assert f"all with lr ≥ {smallest:.1e}".replace("e-0", "e-") in plain(one.text)
    assert "100 % of the trials there did. Narrow that range in the space" in plain(one.text)
    assert one.command == ""  # --set cannot say it


def test_a_region_may_lie_within_one_case(drawn: Drawn) -> None:
    """Other optimizers have as large rates, and do not diverge."""
    found = drawn(
        "optimizer",
        90,
        lambda config, dice: float("nan") if config["optimizer"] == "adamw" and config["lr"] > 0.01 else 0.5,
    )
    known = region(found)
    assert known is not None
    assert known.purity == 1
    assert str(known.words).startswith("lr ≥ ") and str(known.words).endswith(" and optimizer adamw")


def test_a_name_is_a_region(drawn: Drawn) -> None:
    found = drawn("optimizer", 60, lambda config, dice: float("nan") if config["optimizer"] == "sgd" else 0.5)
    lost_trials = sum(trial.status == "diverged" for trial in found.trials)
    assert region(found) == Region(1.0, "optimizer sgd", "optimizer=choice(adamw, muon)", False, lost_trials)


@pytest.mark.parametrize(
    ("text", "left"),
    [("choice(0.001, 0.01, 0.1, 1)", "lr=choice(0.001, 0.01)"), ("choice(0.01, 0.1, 1)", "lr=0.01")],
)
def test_numbers_that_are_listed_have_a_region(trial: Make, run: MakeRun, text: str, left: str) -> None:
    rates = (0.01, 0.1, 1.0)
    found = lost(trial, run, {"lr": text}, *((lr >= 0.1, {"lr": lr}) for lr in rates))
    assert region(found) == Region(1.0, "lr ≥ 1.0e-1", left, False, 2)


def test_a_region_leaves_something_out(trial: Make, run: MakeRun) -> None:
    """Where most trials diverged, whatever their rate, the whole range is no region."""
    configs = [(place in (0, 1, 3, 4), {"lr": 10.0 ** -(1 + place / 2)}) for place in range(5)]
    assert region(lost(trial, run, {"lr": "loguniform(0.001, 0.1)"}, *configs)) is None


def test_no_region_is_made_of_mostly_sound_trials(trial: Make, run: MakeRun) -> None:
    configs = [(place in (0, 6), {"lr": 10.0 ** -(1 + place / 4)}) for place in range(9)]
    found = lost(trial, run, {"lr": "loguniform(0.001, 0.1)"}, *configs)
    (one,) = checks.divergence(found, stand(found).trials)
    assert (
        "2 of 9 trials diverged (22 %), and no part of one parameter's range holds most of them and few others."
        in plain(one.text)
    )


def test_a_parameter_that_some_lack_is_no_region_of_theirs(trial: Make, run: MakeRun) -> None:
    known = {"model": "choice(mlp, resnet18)", "depth": "when(model: mlp=choice(1, 2))"}
    configs = [
        (True, {"model": "mlp", "depth": 2}),
        (True, {"model": "resnet18"}),
        (False, {"model": "mlp", "depth": 1}),
    ]
    configs += [(False, {"model": "resnet18", "lr": 0.01}), (False, {"model": "mlp", "depth": 2, "lr": 0.02})]
    assert region(lost(trial, run, known, *configs)) is None


def test_a_region_need_not_hold_them_all(trial: Make, run: MakeRun) -> None:
    """One stray divergence at a small rate once hid that nine lay together."""
    configs = [(place in (2, *range(11, 20)), {"lr": 10.0 ** (place / 10 - 3)}) for place in range(20)]
    found = lost(trial, run, {"lr": "loguniform(0.001, 0.1)"}, *configs)
    known = region(found)
    assert known is not None
    assert (known.held, known.purity, known.words) == (9, 1.0, "lr ≥ 1.3e-2")
    (one,) = checks.divergence(found, stand(found).trials)
    assert "10 of 20 trials diverged (50 %), 9 of them with lr ≥ 1.3e-2; 100 % of the trials there did." in plain(
        one.text
    )
    assert "lr=loguniform(0.001, 0.01259)" in one.command


def test_names_need_not_hold_them_all(trial: Make, run: MakeRun) -> None:
    names = [(True, "sgd")] * 5 + [(True, "adamw")] + [(False, "adamw")] * 5 + [(False, "muon")] * 5
    configs = [(is_lost, {"optimizer": name, "lr": 0.01 + place / 1000}) for place, (is_lost, name) in enumerate(names)]
    known = region(lost(trial, run, {"optimizer": "choice(sgd, adamw, muon)"}, *configs))
    assert known is not None
    assert (known.held, known.words, known.change) == (5, "optimizer sgd", "optimizer=choice(adamw, muon)")


def test_where_hardly_anything_is_left_of_a_range_it_goes_on_beyond_its_end(trial: Make, run: MakeRun) -> None:
    configs = [(place > 0, {"lr": 10.0 ** (place / 15 - 3)}) for place in range(30)]
    known = region(lost(trial, run, {"lr": "loguniform(0.001, 0.1)"}, *configs))
    assert known is not None
    assert (known.held, known.change) == (29, "lr=loguniform(0.0001, 0.001166)")
    configs = [(place < 29, {"dropout": place * 0.0169 + 0.5}) for place in range(30)]
    known = region(lost(trial, run, {"dropout": "uniform(0.5, 0.999)"}, *configs))
    assert known is not None
    assert known.change == "dropout=uniform(0.9732, 0.999)"  # a dropout of one or more there is not


@pytest.mark.parametrize(("every", "change"), [(3, "lr=1e-06,0.0001"), (1.5, "")])
def test_where_most_diverged_anywhere_lower_rates_are_proposed(
    trial: Make, run: MakeRun, every: float, change: str
) -> None:
    """A wider range would keep the part that diverges."""
    configs = [
        (place % 3 != 0 if every == 3 else place in (1, 15, 29), {"lr": 10.0 ** (place / 15 - 3)})
        for place in range(30)
    ]
    (one,) = checks.divergence(
        found := lost(trial, run, {"lr": "loguniform(0.001, 0.1)"}, *configs), stand(found).trials
    )
    assert "no part of one parameter" in plain(one.text)
    assert f"--set {change}" in one.command if change else one.command == ""


def test_the_order_of_the_trials_and_their_number_do_not_matter(trial: Make, run: MakeRun) -> None:
    """Counted in order, so that ten thousand trials take no minutes; with ties whatever comes first in the plan."""
    configs = [
        (place % 5 == 0, {"lr": 0.001 + place / 1000, "model": "mlp" if place % 10 else "convnet"})
        for place in range(40)
    ]
    known = {"lr": "loguniform(0.001, 0.1)", "model": "choice(convnet, mlp)"}
    found = [region(lost(trial, run, known, *order)) for order in (configs, configs[::-1])]
    assert found[0] == found[1]
    values = [place / 7 for place in range(50)]
    for sign, bound, held, inside in regions.candidates(values[:20], values[10:]):
        assert held == sum(regions.lies(value, sign, bound) for value in values[:20])
        assert inside == sum(regions.lies(value, sign, bound) for value in values[10:])
