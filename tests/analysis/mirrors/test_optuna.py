"""The Optuna study, read back by Optuna."""

import json

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from analysis.mirrors import optuna as optuna_mirror
from analysis.mirrors import refreshing
from search.run import ledger
from spaces import choice, integers, loguniform, uniform, when


def convert(growing) -> optuna.Study:
    refreshing.mirror(growing.folder, ["optuna"])
    return optuna.load_study(study_name=growing.folder.name, storage=f"sqlite:///{growing.folder / 'optuna.db'}")


@pytest.fixture(scope="module")
def study(ended_once) -> optuna.Study:
    return convert(ended_once)


def test_the_value_is_that_of_the_best_epoch(study):
    assert study.best_value == 0.8
    assert study.best_trial.number == 0
    assert study.trials[1].value == 0.3


def test_curves_are_intermediate_values(study):
    assert study.trials[0].intermediate_values == {1: 0.5, 2: 0.8, 3: 0.7, 4: 0.6}


def test_who_each_trial_is_stands_in_its_attributes(study, ended_once):
    first = ledger.read(ended_once.folder).trials[0]
    trials = study.trials
    assert trials[0].user_attrs == {"id": first.id, "seed": 0, "source": "baseline", "status": "finished"}
    assert trials[3].user_attrs["error"] == "RuntimeError: broken"


def test_ranges_are_exact(study):
    assert study.trials[0].distributions == {
        "lr": FloatDistribution(1e-5, 1e-2, log=True),
        "dropout": FloatDistribution(0.0, 0.6),
        "depth": IntDistribution(1, 4),
        "width": CategoricalDistribution((256, 512, 1024)),
        "augment": CategoricalDistribution(("none", "flip")),
    }


def test_a_value_outside_the_space_is_left_out(study):
    assert set(study.trials[1].params) == {"dropout", "depth", "width", "augment"}


@pytest.mark.parametrize(
    ("range", "expected"),
    [
        (uniform(0.123456789, 1), FloatDistribution(0.123456789, 1)),
        (loguniform(1e-5, 12345678.0), FloatDistribution(1e-5, 12345678.0, log=True)),
        (integers(1, 65535), IntDistribution(1, 65535)),
        (choice(1e-3, 5e-4), CategoricalDistribution((1e-3, 5e-4))),
        (choice("none", "standard"), CategoricalDistribution(("none", "standard"))),
        (uniform(0.0, 0.6, step=0.1), FloatDistribution(0.0, 0.6, step=0.1)),
        (integers(2, 8, step=2), IntDistribution(2, 8, step=2)),
        ("linked[size](64, 128, 64)", CategoricalDistribution((64, 128))),
        (when("model", mlp=integers(1, 4), convnet=integers(2, 5)), IntDistribution(1, 4)),
        (when("model", resnet18=integers(1, 4)), None),
        (when("model", mlp=uniform(0, 1), convnet=integers(2, 5)), None),
        ("something new", None),
    ],
)
def test_what_a_space_says_of_a_range_is_read_back(range, expected):
    assert optuna_mirror.distribution(str(range), {"model": "mlp"}) == expected


def test_a_case_may_be_a_part_of_the_users(ended):
    of_mine = when("model", **{"my_nets.py:FlowerNet": integers(1, 4), "mlp": integers(2, 5)})
    assert optuna_mirror.distribution(str(of_mine), {"model": "my_nets.py:FlowerNet"}) == IntDistribution(1, 4)


def test_a_run_that_grows_keeps_its_study(ended):
    """Who looks at it need not open another."""
    study = convert(ended)
    ended.row(4, 2, 0.9)
    ended.row(5, 1, 0.1)
    ended.stop(5, 1)
    grown = convert(ended)
    assert grown._study_id == study._study_id
    assert [trial.state for trial in grown.trials][4:] == [TrialState.RUNNING, TrialState.PRUNED]


def test_a_trial_that_had_ended_and_goes_on_is_not_duplicated(ended):
    convert(ended)
    ended.ask(epochs=5)
    ended.row(0, 5, 0.9)
    ended.end(3, "retried")
    study = convert(ended)
    assert len(study.trials) == 6
    assert study.trials[0].intermediate_values[5] == 0.9
    assert len(optuna.get_all_study_names(f"sqlite:///{ended.folder / 'optuna.db'}")) == 1


def test_more_trials_are_added(ended):
    convert(ended)
    line = (ended.folder / "trials.jsonl").read_text().splitlines()[-1]
    ended.line(ended.folder / "trials.jsonl", json.loads(line) | {"index": 6, "id": "abcdef"})
    assert [trial.user_attrs["id"] for trial in convert(ended).trials][6:] == ["abcdef"]


def test_confirming_trials_are_no_part_of_the_study(ended):
    line = (ended.folder / "trials.jsonl").read_text().splitlines()[-1]
    confirm = json.loads(line) | {"index": 6, "id": "abcdef", "source": "confirm"}
    ended.line(ended.folder / "trials.jsonl", confirm)
    assert len(convert(ended).trials) == 6
