"""What mattered, as results.md says it: at one epoch, with levels and thirds for each case of a conditional parameter."""

import dataclasses
import re
from collections.abc import Callable

import numpy as np

from analysis.diagnostics.importance import mattered
from analysis.ranking.standing import stand
from analysis.render.markdown import rendered
from analysis.results.sections import effects
from search.run.ledger import Run, Trial

Make = Callable[..., Trial]
MakeRun = Callable[..., Run]
Drawn = Callable[..., Run]
LOG = {"lr": "loguniform(0.0001, 0.1)"}


def section(run: Run) -> str:
    return rendered(effects.section(run, stand(run), mattered(run, run.search_trials)))


def cells(text: str, start: str) -> list[str]:
    """The cells of the last row that starts so."""
    line = [line for line in text.splitlines() if line.startswith(f"| {start} ")][-1]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_each_third_of_a_range_has_its_best_and_median(trial: Make, run: MakeRun) -> None:
    """On the logarithmic scale; a choice keeps its levels, a third without trials stays empty."""
    values = {1e-4: 0.1, 5e-4: 0.2, 9e-4: 0.6, 2e-2: 0.5, 1e-1: 0.4}
    trials = [trial(place, (value,), lr=lr, depth=1 + place % 2) for place, (lr, value) in enumerate(values.items())]
    text = section(run(trials, space_params=LOG | {"depth": "choice(1, 2)"}))
    assert cells(text, "lr") == [
        "lr", "1.0e-4 · 1.0e-3 · 1.0e-2 · 1.0e-1", "**60.00** / 20.00 (3)", "–", "50.00 / **45.00** (2)",
    ]  # fmt: skip
    assert "**1: 60.00** · 2: 50.00" in text
    assert "importance" not in text  # of so few


def test_levels_and_thirds_are_compared_at_one_epoch(trial: Make, run: MakeRun) -> None:
    """The best of depth 3 was trained for longer; when all had trained for an epoch, depth 1 was ahead."""
    curves = {1: [(0.3544,), (0.30,)], 3: [(0.3430, 0.40, 0.4310), (0.31,)]}
    trials = [
        trial(2 * place + second, curve, "finished" if len(curve) > 1 else "stopped", depth=depth, lr=lr)
        for place, (depth, own) in enumerate(curves.items())
        for second, (curve, lr) in enumerate(zip(own, (2e-4, 5e-2), strict=True))
    ]
    text = section(run(trials, space_params=LOG | {"depth": "choice(1, 3)"}))
    assert "best val % at each level within 1 epoch" in text
    assert "**1: 35.44** · 3: 34.30" in text
    assert cells(text, "lr")[2:] == ["**35.44** / **34.87** (2)", "–", "31.00 / 30.50 (2)"]
    assert "best / median val % within 1 epoch (number" in text


def test_what_is_left_out_of_the_tables_is_said(trial: Make, run: MakeRun) -> None:
    trials = [trial(place, (0.5, 0.6), lr=10.0 ** -(1 + place / 2)) for place in range(5)]
    trials += [trial(5, (0.9,), "stopped", lr=0.02), trial(6, (), "diverged", lr=0.09)]
    text = section(run(trials, space_params=LOG))
    assert (
        "Not counted: 1 trial that did not reach epoch 2; in levels and thirds, 1 configuration that diverged." in text
    )
    assert "90.00" not in text


def test_each_case_of_a_conditional_parameter_has_its_own_thirds(drawn: Drawn) -> None:
    """Not fifty values and "more"; and none for an optimizer that does not have the parameter."""
    text = section(drawn("optimizer", 60, lambda config, dice: dice.uniform(0.5, 0.6)))
    named = re.findall(r"^\| (\S+ \(\w+\)) +\| (\S+) · .* · (\S+) +\|.*\(\d+\)", text, re.MULTILINE)
    assert sorted(named) == [
        ("adamw_lr (muon)", "0.0001", "0.1"),
        ("lr (adamw)", "1.0e-4", "1.0e-1"), ("lr (muon)", "1.0e-3", "1.0e-1"), ("lr (sgd)", "1.0e-2", "1.0e0"),
        ("weight_decay (adamw)", "1.0e-3", "1.0e0"), ("weight_decay (muon)", "1.0e-3", "1.0e0"),
        ("weight_decay (sgd)", "1.0e-5", "1.0e-2"),
    ]  # fmt: skip
    counts = [
        int(number) for row in text.splitlines() if row.startswith("| lr (") for number in re.findall(r"\((\d+)\)", row)
    ]
    assert sum(counts) == 60
    assert " more" not in text
    assert "compared within each case" in text


def test_a_case_of_a_few_values_has_levels_beside_one_that_is_wide(trial: Make, run: MakeRun) -> None:
    trials = [
        trial(place, (0.5 + place / 100,), model=model, width=width)
        for place, (model, width) in enumerate([("mlp", 64), ("mlp", 900), ("convnet", 16), ("convnet", 32)])
    ]
    known = {"model": "choice(mlp, convnet)", "width": "when(model: mlp=logintegers(64, 1024), convnet=choice(16, 32))"}
    text = section(run(trials, space_params=known))
    assert cells(text, "width ")[-1] == "16 (convnet): 52.00 · **32 (convnet): 53.00** · in thirds, below"
    assert cells(text, "width (mlp)")[0] == "width (mlp)"


def test_a_long_choice_of_numbers_has_thirds(trial: Make, run: MakeRun) -> None:
    trials = [trial(place, (0.5 + place / 100,), width=2**place) for place in range(12)]
    text = section(run(trials, space_params={"width": f"choice({', '.join(str(2**place) for place in range(12))})"}))
    assert cells(text, "width")[1] == "1 · 16 · 128 · 2048"
    assert " more" not in text


def test_names_that_have_no_room_are_counted(trial: Make, run: MakeRun) -> None:
    names = [f"name{place:02d}" for place in range(11)]
    trials = [trial(place, (0.5 + place / 100,)) for place in range(11)]
    for each, name in zip(trials, names, strict=True):
        each.config["augment"] = name
    text = section(run(trials, space_params={"augment": f"choice({', '.join(names)})"}))
    assert "name07: 57.00 · and 3 more" in text


def test_the_words_say_what_bold_means_and_for_how_many_it_is_adjusted(drawn: Drawn) -> None:
    found = drawn("optimizer", 60, lambda config, dice: 0.9 - 0.1 * abs(np.log10(config["lr"]) + 2.5))
    text = section(found)
    assert re.search(r"\| lr +\| +\*\*0\.\d\d\*\* \| +0\.\d\d \| +0\.0\d\d \|", text)
    assert (
        "by chance: the mean share over 999 shuffles of the accuracies. p: the share of shuffles whose importance is at least as "
        "large, adjusted by Holm for 4 parameters. An importance is bold where p is at most 5 %." in text
    )
    assert "TPE" not in text
    by_tpe = dataclasses.replace(found, identity=dataclasses.replace(found.identity, algorithm="tpe"))
    assert "TPE chose its points by earlier results" in section(by_tpe)


def test_a_parameter_without_importance_has_a_word_why(drawn: Drawn) -> None:
    whole = drawn("optimizer", 60, lambda config, dice: dice.uniform(0.5, 0.6))
    muon = [each for each in whole.trials if each.config["optimizer"] == "muon"]
    few = dataclasses.replace(whole, trials=[each for each in whole.trials if each not in muon[3:]])
    text = section(few)
    assert re.search(r"\| adamw_lr +\| +– \| +– \| +– \|", text)
    assert (
        "adamw_lr: no importance, because with so few configurations at each value no outcome would be a surprise."
        in text
    )


def test_all_seeds_of_a_configuration_are_one(seeded: Run) -> None:
    text = section(seeded)
    assert "1.0e-4: 71.00 · **5.0e-4: 94.83** · 1.0e-3: 91.00" in text
