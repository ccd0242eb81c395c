"""A contract for every space, future ones included, and what is refused: pytest tests/spaces"""

import dataclasses
import itertools
import subprocess
import sys
import textwrap

import pytest

import spaces
from search.run import plan
from trainables.config import complete
from trainables.errors import SpaceError


@pytest.fixture(params=spaces.names())
def name(request):
    return request.param


def test_it_has_a_docstring_of_one_line(name):
    assert spaces.describe(name).endswith(".")


def test_the_baseline_is_inside_and_names_what_is_searched(name):
    space = spaces.load(name)
    assert set(space.baseline) == set(space.ranges(space.baseline))
    assert all(value in space.params[key] for key, value in space.baseline.items())


def test_its_first_points_are_valid_and_different(name):
    space = spaces.load(name)
    algorithm = plan.default_algorithm(space)
    drawn = plan.draw(space, algorithm, plan.size(space, algorithm, None), seed=0)
    assert len({entry["id"] for entry in drawn}) == len(drawn) > 1
    assert all(complete(entry["config"]) for entry in drawn)
    assert drawn[0]["source"] == "baseline"


def test_nothing_in_it_is_probably_not_meant(name):
    assert spaces.warnings(spaces.load(name)) == []


@pytest.mark.parametrize(
    ("name", "digest"),
    [("lr_sweep", "fc115ec8657c224c"), ("depth_sweep", "372a5514d12f6fba"), ("dropout_sweep", "52e60e2b3a55e4a5"),
     ("mlp_random", "7995bb880432f270")],
)  # fmt: skip
def test_runs_of_the_first_spaces_can_be_continued_without_averages_because_their_hash_has_not_changed(name, digest):
    space = spaces.load(name)
    assert space.digest_of_schema_1() != digest
    assert dataclasses.replace(space, params={**space.params, "ema": 0}).digest_of_schema_1() == digest


def test_a_younger_knob_that_is_off_is_not_in_the_hash_of_a_space():
    space = spaces.load("resnet_depth")
    assert dataclasses.replace(space, params={**space.params, "ema": 0.0}).digest() == space.digest()
    assert dataclasses.replace(space, params={**space.params, "ema": 0.7}).digest() != space.digest()


def test_lr_sweep_has_the_three_rates_of_the_original_experiment():
    assert spaces.load("lr_sweep").params["lr"].values == (1e-3, 5e-4, 1e-4)


@pytest.fixture
def write_space(tmp_path, monkeypatch):
    """Write a space into a folder of its own and load it from there."""
    numbers = itertools.count()

    def write(source):
        name = f"made_up_{next(numbers)}"
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(source))
        monkeypatch.setattr(spaces, "FOLDER", tmp_path)
        monkeypatch.setattr(spaces, "__path__", [str(tmp_path)])
        return name

    yield write
    for module in [module for module in sys.modules if module.startswith("spaces.made_up")]:
        del sys.modules[module]


HEAD = "from spaces import Space, choice, integers, linked, loguniform, uniform, when\n"


def space(params, baseline='{"lr": 0.1}', rest=""):
    return f"""{HEAD}SPACE = Space(
    params={{
        {params},
    }},
    baseline={baseline},
    epochs=2,
    {rest}
)
"""


@pytest.mark.parametrize(
    ("source", "where", "what"),
    [
        ("SPACE = (\n", 1, "was never closed"),
        (HEAD + "import no_such_module\n", 2, "no_such_module"),
        (HEAD + "SPACES = 1\n", None, "no SPACE"),
        (HEAD + "SPACE = {}\n", None, "not a Space"),
        (space('"lr": choice(0.1, 0.2),\n        "weight_deca": 0.1'), 5, "'weight_decay'"),
        (space('"lr": choice()'), 4, "empty"),
        (space('"lr": choice(0.1, 0.1)'), 4, "twice"),
        (space('"dropout": choice(0, 0.0)', '{"dropout": 0}'), 4, "twice"),
        (space('"lr": loguniform(0.2, 0.1)'), 4, "low < high"),
        (space('"lr": uniform(0.0, float("nan"))'), 4, "finite"),
        (space('"lr": loguniform(0.0, 0.2)'), 4, "above 0"),
        (space('"lr": choice(0.1, -1)'), 4, "lr must be above 0"),
        (space('"lr": uniform(0.05, float("inf"))'), 4, "finite"),
        (space('"depth": integers(1, 2.5), "model": "mlp"', '{"depth": 1}'), 4, "whole numbers"),
        (space('"lr": choice(0.2, 0.3)'), 4, "outside"),
        (space('"lr": choice(0.1, 0.2), "momentum": choice(0.8, 0.9)', '{"lr": 0.1}'), 4, "baseline lacks"),
        (space('"lr": choice(0.1, 0.2)', '{"lr": 0.1,\n    "momentum": 0.9}'), 7, "not searched"),
        (space('"lr": 0.1', "{}"), 2, "nothing is searched"),
        (space('"lr": choice(0.1, 0.2), "depth": 3'), 2, "not read by resnet18"),
        (space('"lr": choice(0.1, 0.2), "epochs": 3'), 4, "epochs=20"),
        (space('"lr": choice(0.1, 0.2)', rest='scheduler="asah"'), 2, "scheduler"),
        (space('**linked(lr=(0.1, 0.2), batch_size=(64, 0))', '{"lr": 0.1, "batch_size": 64}'), 4, "batch_size must be"),
        (space('**linked(lr=(0.1, 0.2), batch_size=(64, 128))', '{"lr": 0.1, "batch_size": 128}'), 4, "belong together"),
        (space('"lr": when("modle", mlp=choice(0.1, 0.2))'), 4, "Did you mean 'model'"),
        (space('"lr": when("model", mpl=choice(0.1, 0.2))'), 4, "Did you mean 'mlp'"),
        (space('"lr": when("model", mlp=choice(0.1, 0.2))'), 4, "does not apply"),
        (space('"lr": when("model", resnet18=choice(0.1, -1))'), 4, "lr must be above"),
        (space('"model": choice("mlp", "resnet18"), "depth": choice(1, 2)', '{"model": "mlp", "depth": 1}'), 2,
         "with model 'resnet18': 'depth' is not read"),
        (space('"lr": choice(0.1, 0.2)', rest="samples=0"), 2, "samples must be a positive"),
        (space('"lr": choice(0.1, 0.2)', rest="max_params=0"), 2, "max_params must be a positive"),
        (space('"lr": choice(0.1, 0.2)', rest="constraint=lambda config: False"), 2, "the baseline is refused"),
        (space('"lr": choice(0.1, 0.2)', rest="constraint=lambda config: config['depht'] < 3"), 2, "KeyError: 'depht'"),
        (space('"lr": choice(0.1, 0.2)', rest='schedular="asha"'), 2, "'schedular'. Did you mean 'scheduler'?"),
        (space('"lr": choice(*[i / 1000 for i in range(1, 400)]), "momentum": choice(*[i / 1000 for i in range(400)])',
               '{"lr": 0.1, "momentum": 0.1}'), 2, "at most 100000"),
    ],
)  # fmt: skip
def test_a_bad_space_is_refused_with_file_and_line(write_space, source, where, what):
    name = write_space(source)
    with pytest.raises(SpaceError, match="(?s)" + what) as caught:
        spaces.load(name)
    assert str(caught.value).startswith(f"spaces/{name}.py:{where}:" if where else f"spaces/{name}.py:")


def test_an_unknown_space_names_the_closest_one():
    with pytest.raises(SpaceError, match="'lr_sweep'"):
        spaces.load("lr_swep")


def test_a_bad_name_on_the_command_line_is_exit_code_3():
    done = subprocess.run([sys.executable, "run_search.py", "--space", "lr_swep"], capture_output=True, text=True)
    assert done.returncode == 3
    assert done.stderr.startswith("error[space]: unknown space 'lr_swep'. Did you mean 'lr_sweep'?")
