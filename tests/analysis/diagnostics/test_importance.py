"""What mattered: a real effect is found, also one within the values of another parameter, and noise hardly ever."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from analysis.diagnostics import importance
from analysis.diagnostics.importance import Mattered, mattered
from analysis.diagnostics.pedanova import Binned
from search.run.ledger import Run, Trial

Make = Callable[..., Trial]
MakeRun = Callable[..., Run]
Drawn = Callable[..., Run]
Accuracy = Callable[[dict[str, Any], np.random.Generator], float]
LOG = {"lr": "loguniform(0.0001, 0.1)"}
NOISE = {
    "lr": "loguniform(0.0001, 0.1)", "dropout": "uniform(0, 0.5)", "depth": "integers(1, 4)",
    "width": "logintegers(16, 1024)", "batch_size": "choice(64, 128, 256)",
}  # fmt: skip


def of_rate(config: dict[str, Any], dice: np.random.Generator) -> float:
    """An accuracy that depends on lr alone."""
    return float(0.9 - 0.1 * abs(np.log10(config["lr"]) + 2.5))


def of_both(config: dict[str, Any], dice: np.random.Generator) -> float:
    """One that depends on the optimizer more than on lr."""
    own = {"sgd": 0.7, "adamw": 0.6, "muon": 0.5}[config["optimizer"]]
    return float(own - 0.05 * abs(np.log10(config["lr"]) + 2) + dice.normal(0, 0.005))


def of_width(config: dict[str, Any], dice: np.random.Generator) -> float:
    return float(0.5 + 0.001 * config["width"] + dice.normal(0, 0.005))


def known(run: Run) -> Mattered:
    found = mattered(run, run.trials)
    assert found is not None
    return found


def noise_run(run: MakeRun, trial: Make, dice: np.random.Generator, number: int = 60) -> Run:
    """A search of five parameters that do nothing."""
    points = {
        "lr": 10 ** dice.uniform(-4, -1, number), "dropout": dice.uniform(0, 0.5, number),
        "depth": dice.integers(1, 5, number), "width": (2 ** dice.uniform(4, 10, number)).round().astype(int),
        "batch_size": dice.choice([64, 128, 256], number),
    }  # fmt: skip
    return run(
        [
            trial(place, (dice.normal(0.5, 0.01),), **{key: values[place].item() for key, values in points.items()})
            for place in range(number)
        ],
        space_params=NOISE,
    )


def test_what_mattered_is_found_above_chance_and_the_same_again(trial: Make, run: MakeRun) -> None:
    dice = np.random.default_rng(0)
    rates, drops = 10 ** dice.uniform(-4, -1, 60), dice.uniform(0, 0.5, 60)
    trials = [
        trial(place, (of_rate({"lr": lr}, dice),), lr=float(lr), dropout=float(drop))
        for place, (lr, drop) in enumerate(zip(rates, drops, strict=True))
    ]
    found = run(trials, space_params=LOG | {"dropout": "uniform(0, 0.5)"})
    result = known(found)
    assert list(result.parameters) == ["lr", "dropout"]
    assert result.parameters["lr"].matters
    assert not result.parameters["dropout"].matters
    assert result == known(found)


@pytest.mark.parametrize(
    ("space", "accuracy", "key"),
    [("optimizer", of_rate, "lr"), ("optimizer", of_both, "lr"), ("optimizer", of_both, "optimizer")],
)
def test_the_effect_of_a_conditional_rate_is_found(drawn: Drawn, space: str, accuracy: Accuracy, key: str) -> None:
    """In 60 trials, whatever else is strong: each case of lr is an interval, not a list of values."""
    bold = [known(drawn(space, 60, accuracy, seed)).parameters[key].matters for seed in range(6)]
    assert sum(bold) == 6


def test_the_effect_of_a_conditional_width_is_found(trial: Make, run: MakeRun) -> None:
    """Cases of whole numbers and of a list, beside one that is fixed and one that is not there."""
    dice = np.random.default_rng(0)
    cases = {"mlp": (64, 128, 256, 512), "convnet": (16, 32, 64), "speed_net": (48,), "resnet18": (None,)}
    trials = []
    for place in range(80):
        model = list(cases)[place % 4]
        own = int(dice.choice(cases[model])) if place % 4 < 3 else None
        level = cases[model].index(own) / len(cases[model])  # type: ignore[arg-type]
        config = {"model": model, "lr": float(10 ** dice.uniform(-3, -1))} | ({"width": own} if own else {})
        trials.append(trial(place, (0.5 + 0.1 * level + dice.normal(0, 0.01) - 0.1 * (place % 4),), **config))
    text = "when(model: mlp=logintegers(64, 512), convnet=choice(16, 32, 64), speed_net=48)"
    found = known(run(trials, space_params={"model": "choice(mlp, convnet, speed_net, resnet18)", "width": text}))
    assert found.parameters["width"].matters
    assert found.parameters["model"].matters


def test_what_the_optimizer_does_is_no_effect_of_its_rates(drawn: Drawn) -> None:
    """One is far better, and its rates are larger."""
    levels = {"sgd": 0.9, "adamw": 0.5, "muon": 0.3}
    results = [
        known(drawn("optimizer", 60, lambda c, dice: levels[c["optimizer"]] + dice.normal(0, 0.01), seed)).parameters
        for seed in range(6)
    ]
    assert all(each["optimizer"].matters for each in results)
    assert sum(each["lr"].matters or each["weight_decay"].matters for each in results) <= 1


def test_one_of_five_parameters_of_noise_is_rarely_bold(trial: Make, run: MakeRun) -> None:
    assert share_with_any_bold(trial, run, 30) <= 0.07


@pytest.mark.slow
def test_one_of_five_parameters_of_noise_is_bold_in_one_search_of_twenty(trial: Make, run: MakeRun) -> None:
    """Without an adjustment it is one of five."""
    searches = 300
    assert share_with_any_bold(trial, run, searches) <= 0.05 + 2 * (0.05 * 0.95 / searches) ** 0.5


def share_with_any_bold(trial: Make, run: MakeRun, searches: int) -> float:
    found = [known(noise_run(run, trial, np.random.default_rng(seed))) for seed in range(searches)]
    return float(np.mean([any(each.matters for each in result.parameters.values()) for result in found]))


def test_shuffling_by_counts_is_shuffling_the_trials() -> None:
    """The draws of how many of the best lie in each bin have the mean and spread of shuffled trials."""
    dice, places = np.random.default_rng(0), np.random.default_rng(1).integers(0, 6, 40)
    quick = importance.shuffled(Binned(places, 6, True), 10, dice)
    plain = np.array([np.bincount(dice.permutation(places)[:10], minlength=6) for _ in range(2000)])
    assert quick.mean(axis=0) == pytest.approx(plain.mean(axis=0), abs=0.15)
    assert quick.std(axis=0) == pytest.approx(plain.std(axis=0), abs=0.15)


def test_of_a_parameter_with_a_value_for_each_trial_nothing_is_said(trial: Make, run: MakeRun) -> None:
    """Names have no order: any outcome looks like any other. As one of a few it is not counted by Holm either."""
    augments = [f"name{place}" for place in range(20)]
    trials = [trial(place, (0.5 + place / 100,), lr=10.0 ** -(place / 10)) for place in range(20)]
    for each, name in zip(trials, augments, strict=True):
        each.config["augment"] = name
    found = known(run(trials, space_params={"lr": "loguniform(0.01, 1)", "augment": f"choice({', '.join(augments)})"}))
    assert (list(found.parameters), found.untold) == (["lr"], ["augment"])
    assert found.parameters["lr"].adjusted == found.parameters["lr"].p_value


def test_a_rare_case_says_nothing(drawn: Drawn) -> None:
    """Three trials of one optimizer: whichever is best among them is no surprise."""
    whole = drawn("optimizer", 60, of_rate)
    muon = [each for each in whole.trials if each.config["optimizer"] == "muon"][:3]
    others = [each for each in whole.trials if each.config["optimizer"] != "muon"]
    found = mattered(whole, [*others, *muon])
    assert found is not None
    assert found.untold == ["adamw_lr"]


def test_many_numbers_that_are_listed_or_cannot_be_read_have_an_effect(trial: Make, run: MakeRun) -> None:
    """Sixty values, each tried once: a level for each would show nothing."""
    rates = [float(f"{10 ** (-4 + place / 20):.4g}") for place in range(60)]
    trials = [trial(place, (of_rate({"lr": lr}, np.random.default_rng(0)),), lr=lr) for place, lr in enumerate(rates)]
    for text in (f"choice({', '.join(map(str, rates))})", "magic(0.0001, 0.1)", "loguniform(0.001, 0.01)"):
        assert known(run(trials, space_params={"lr": text})).parameters["lr"].matters


def test_trials_that_diverged_are_the_worst(trial: Make, run: MakeRun) -> None:
    """Large rates lose all their trials; without those nothing would be seen."""
    dice = np.random.default_rng(0)
    trials = []
    for place, lr in enumerate(10 ** dice.uniform(-4, -1, 60)):
        is_lost = lr > 0.004
        values = (dice.uniform(0.5, 0.6),)
        trials.append(trial(place, () if is_lost else values, "diverged" if is_lost else "finished", lr=float(lr)))
    assert known(run(trials, space_params=LOG)).parameters["lr"].matters


def test_seeds_are_no_evidence_of_what_a_parameter_does(trial: Make, run: MakeRun) -> None:
    """Twelve configurations of noise on twenty seeds each. As 240 trials, any parameter would seem to matter."""
    dice = np.random.default_rng(0)
    trials = []
    for place in range(12):
        config = {"lr": float(10 ** dice.uniform(-4, -1)), "dropout": float(dice.uniform(0, 0.5))}
        own = dice.uniform(0.4, 0.8)
        trials += [trial(20 * place + seed, (own + dice.normal(0, 0.001),), **config) for seed in range(20)]
    result = known(run(trials, space_params=LOG | {"dropout": "uniform(0, 0.5)"}))
    assert result.configurations == 12
    assert not any(each.matters for each in result.parameters.values())


def test_too_few_trials_say_nothing(trial: Make, run: MakeRun) -> None:
    found = noise_run(run, trial, np.random.default_rng(0), 9)
    assert mattered(found, found.trials) is None
