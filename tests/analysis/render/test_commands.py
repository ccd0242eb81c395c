"""The commands in results.md exist, and say what the run recorded."""

import importlib
import shlex
from collections.abc import Callable

import pytest
import typer
from typer.main import get_command

from analysis.render import commands
from search.run.ledger import Run, Trial
from trainables.config import complete

Make = Callable[..., Trial]
MakeRun = Callable[..., Run]


def parsed(app: typer.Typer, words: list[str]) -> dict[str, object]:
    """What a command line means to the program that it names; an unknown option raises."""
    return get_command(app).make_context("program", list(words)).params


@pytest.mark.parametrize("model", ["mlp", "convnet", "resnet18"])
def test_the_command_of_a_row_means_its_configuration(trial: Make, run: MakeRun, model: str) -> None:
    one = trial(0, (0.5, 0.6), model=model, lr=0.000626136412827509, dropout=0.3)
    program, words = "python -m trainables", shlex.split(commands.train_again(run([one], threads=2), one))
    assert words[:3] == program.split()
    given = parsed(importlib.import_module("trainables.__main__").app, words[3:])
    settings = {key: value for key, value in given.items() if key in one.config and value is not None}
    assert complete(settings) == one.config
    assert {given[key] for key in ("dataset", "precision")} == {"digits", "fp32"}
    assert (given["seed"], given["threads"], given["fraction"]) == (0, 2, 1.0)


@pytest.mark.parametrize(
    "scheduler",
    [{"name": "none"}, {"name": "asha", "grace_period": 2, "reduction_factor": 4}, {"name": "sha", "version": 2}],
)
def test_the_command_that_goes_on_is_understood(trial: Make, run: MakeRun, scheduler: dict[str, object]) -> None:
    one = run([trial(0, (0.5,))], total=7, algorithm="random", scheduler=scheduler, threads=2)
    words = shlex.split(commands.go_on(one))
    assert words[:2] == ["python", "run_search.py"]
    given = parsed(importlib.import_module("run_search").app, words[2:])
    assert (given["space"], given["num_samples"], given["scheduler"]) == ("lr_sweep", 7, scheduler["name"])
    assert (given["cpus_per_trial"], given["name"]) == (2, None)


@pytest.mark.parametrize(
    ("key", "usual", "other"), [("seed", 0, 5), ("fraction", 1.0, 0.5), ("threads", 1, 2), ("grace_period", 1, 4)]
)
def test_a_setting_at_its_default_is_left_out(trial: Make, run: MakeRun, key: str, usual: float, other: float) -> None:
    flag = "--cpus-per-trial" if key == "threads" else f"--{key.replace('_', '-')}"

    def command(value: float) -> list[str]:
        rule = {"name": "asha", "reduction_factor": 3, "grace_period": value if key == "grace_period" else 1}
        facts = {} if key == "grace_period" else {key: value}
        return shlex.split(commands.go_on(run([trial(0, (0.5,))], scheduler=rule, **facts)))

    assert flag not in command(usual)
    assert command(other)[command(other).index(flag) + 1] == str(other)
    assert not {"--reduction-factor", "--audit"} & set(command(usual))


def test_a_run_of_another_name_is_named(trial: Make, run: MakeRun) -> None:
    one = run([trial(0, (0.5,))], space="depth_sweep")
    assert "--name lr_sweep-digits" in commands.go_on(one)


def test_a_folder_of_images_is_named_without_its_place(trial: Make, run: MakeRun) -> None:
    one = run([trial(0, (0.5,))], dataset="flowers-3fa2", dataset_title="flowers")
    assert "--dataset folder:/path/to/flowers " in commands.train_again(one, one.trials[0])


def test_nothing_in_a_name_can_start_another_command(trial: Make, run: MakeRun) -> None:
    one = run([trial(0, (0.5,))], dataset="x", dataset_title="a; rm -rf b\n$(reboot)")
    command = commands.train_again(one, one.trials[0])
    assert "\n" not in command
    assert shlex.split(command)[shlex.split(command).index("--dataset") + 1] == "folder:/path/to/a; rm -rf b $(reboot)"


def test_a_space_that_was_changed_stays_changed(trial: Make, run: MakeRun) -> None:
    """Without it the search would be another one, and refused, or silently search what was not asked for."""
    one = run([trial(0, (0.5,))], set=["width=32", "lr=0.1,0.2"], max_params=50_000)
    for command in (commands.go_on(one), commands.confirm(one, 3), commands.longer(one, 9, is_new=False)):
        given = parsed(importlib.import_module("run_search").app, shlex.split(command)[2:])
        assert (given["set_"], given["max_params"]) == (["width=32", "lr=0.1,0.2"], 50_000)
    other = parsed(importlib.import_module("run_search").app, shlex.split(commands.changed(one, "lr=0.3"))[2:])
    assert other["set_"] == ["width=32", "lr=0.1,0.2", "lr=0.3"]


def test_any_row_can_be_trained_again(trial: Make, run: MakeRun) -> None:
    one = run([trial(0, (0.5,))], dataset="pets-87d3", dataset_title="pets")
    words = shlex.split(commands.reproduce(one, one.trials[0], one.name))
    given = parsed(importlib.import_module("run_search").app, words[2:])
    assert given["reproduce"] == f"{one.name}/0000-{one.trials[0].id}"
    assert given["dataset"] == "auto", "the run's own; where it lies is known to the machine or asked for"


def test_a_run_with_own_code_is_searched_by_the_command_that_any_folder_has(trial: Make, run: MakeRun) -> None:
    one = trial(0, (0.5, 0.6))
    shipped, own = run([one]), run([one], own_code="0123456789abcdef")
    for command in (
        commands.go_on,
        lambda each: commands.resume(each, "r"),
        lambda each: commands.reproduce(each, one, "r"),
    ):
        assert command(shipped).startswith("python run_search.py --")
        assert command(own).startswith("cifar-search --")
