"""A space changed for one run by --set: pytest tests/spaces/test_changes.py"""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import spaces
from search.run import plan
from spaces import Space, changed, choice, integers, linked, loguniform, uniform, when
from trainables.errors import SpaceError

SWEEP = spaces.load("lr_sweep")
RANDOM = spaces.load("mlp_random")


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        ("lr=loguniform(1e-4,1)", "lr", loguniform(1e-4, 1)),
        ("dropout=uniform(0, 0.5, step=0.1)", "dropout", uniform(0, 0.5, step=0.1)),
        ("depth=2,3,4", "depth", choice(2, 3, 4)),
        ("depth=[2, 3]", "depth", choice(2, 3)),
        ("depth=integers(1, 4)", "depth", integers(1, 4)),
        ("batch_size=256", "batch_size", 256),
        ("batch-size = 256", "batch_size", 256),
        ("optimizer=sgd", "optimizer", "sgd"),
        ("optimizer='sgd'", "optimizer", "sgd"),
        ("augment=none,flip", "augment", choice("none", "flip")),
        ("schedule=choice(constant, cosine)", "schedule", choice("constant", "cosine")),
        ("weight_decay=0", "weight_decay", 0),
    ],
)
def test_what_can_be_set(text, key, expected):
    space, _ = changed(SWEEP, [text, "lr=0.1,0.2"] if key != "lr" else [text])
    assert space.params[key] == expected
    assert space.digest() != SWEEP.digest()


def test_nothing_set_is_the_same_space():
    assert changed(SWEEP, []) == (SWEEP, [])


def test_a_constant_drops_a_searched_parameter_from_the_search_and_the_baseline():
    space, notes = changed(RANDOM, ["depth=4"])
    assert "depth" not in space.searched
    assert "depth" not in space.baseline
    assert space.constants["depth"] == 4
    assert notes == []


def test_a_range_over_a_constant_starts_from_that_constant():
    space, notes = changed(SWEEP, ["dropout=uniform(0, 0.6)"])
    assert space.baseline == {"dropout": 0.3, "lr": 1e-3}
    assert notes == ["baseline dropout=0.3: as before"]


def test_a_range_that_leaves_the_old_value_out_starts_from_its_middle():
    space, notes = changed(SWEEP, ["dropout=uniform(0.4, 0.6)", "lr=loguniform(1, 100)"])
    assert space.baseline == {"dropout": 0.5, "lr": 10.0}
    assert sorted(notes) == [
        "baseline dropout=0.5: the middle of its range",
        "baseline lr=10.0: the middle of its range",
    ]


def test_a_parameter_the_space_does_not_name_starts_from_its_default():
    assert changed(SWEEP, ["momentum=uniform(0.5, 0.95)"])[0].baseline["momentum"] == 0.9


def test_default_takes_a_parameter_out_of_the_space():
    space, _ = changed(SWEEP, ["model=resnet18", "depth=default", "width=default"])
    assert space.config(space.baseline)["model"] == "resnet18"
    with pytest.raises(SpaceError, match="not read by resnet18"):
        changed(SWEEP, ["model=resnet18"])


def test_another_model_takes_its_own_case_of_a_conditional_parameter():
    space = Space(
        params={
            "model": choice("mlp", "convnet"),
            "width": when("model", mlp=choice(256, 512), convnet=choice(16, 32)),
        },
        baseline={"model": "mlp", "width": 256},
        epochs=1,
    )
    narrowed, notes = changed(space, ["model=convnet"])
    assert narrowed.baseline == {"width": 32}
    assert notes == ["baseline width=32: the middle of its range"]


def test_one_of_two_linked_parameters_can_be_fixed_or_both_set_free():
    space = Space(
        params={"model": "mlp", **linked(batch_size=(64, 128, 256), lr=(0.1, 0.2, 0.3))},
        baseline={"batch_size": 64, "lr": 0.1},
        epochs=1,
    )
    found, notes = changed(space, ["lr=0.5"])
    assert len(found.grid) == 3
    assert notes == ["batch_size no longer changes together with lr"]
    assert changed(space, ["dropout=0.1"])[1] == []
    assert len(changed(space, ["lr=0.1,0.2", "batch_size=64,128"])[0].grid) == 4


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("lr", "write KEY=VALUE"),
        ("", "write KEY=VALUE"),
        ("=", "unknown hyperparameter"),
        ("lrr=0.1", r"unknown hyperparameter 'lrr'. Did you mean 'lr'\?"),
        ("widht=2", "Did you mean 'width'"),
        ("epochs=3", "Use --epochs"),
        ("lr=", "Write a number"),
        ("lr=0.1 0.2", "Write a number"),
        ("lr=()", "empty"),
        ("lr=loguniform(1e-4)", "missing 1 required"),
        ("lr=loguniform(1, 1e-4)", "low < high"),
        ("lr=loguniform(1e-4, 1, 2)", "positional"),
        ("lr=loguniform(1e-4, 1, stpe=2)", "unexpected keyword"),
        ("lr=uniform(0, nan)", "finite"),
        ("lr=uniform(0.1, 1e999)", "finite"),
        ("lr=uniform(0, 1, step=0.3)", "does not lead"),
        ("lr=uniform(0, 1, step=0)", "above 0"),
        ("lr=lognormal(0, 1)", "unknown range 'lognormal'. Did you mean 'loguniform'"),
        ("lr=print(1)", "unknown range"),
        ("lr=__import__('os').system('true')", "unknown range"),
        ("lr=0.1 + 0.2", "cannot read"),
        ("lr=True", "cannot read"),
        ("lr=None", "cannot read"),
        ("lr=[[0.1]]", "cannot read"),
        ("lr={[1]}", "cannot read"),
        ("lr={[]:1}", "cannot read"),
        ("lr=choice(*range(3))", "cannot read"),
        ("lr=0.1,0.1", "twice"),
        ("lr=-1", "above 0"),
        ("lr=1" + 400 * "0", "too large"),
        ("lr=" + 6000 * "9", "."),
        ("lr=" + 9000 * "(", "."),
        ("lr=" + 20000 * "1", "too long"),
        ("model=resnet8", "unknown model"),
        ("lr=0.1", "nothing is searched"),
        ("depth=0,1", "depth must be"),
        ("depth=3,17", "depth of mlp must be"),
    ],
)
def test_what_cannot_be_set_is_refused(text, what):
    with pytest.raises(SpaceError, match=what):
        changed(SWEEP, [text])


pieces = st.sampled_from(
    ["lr", "depth", "model", "momentum", "optimizer", "=", ",", "(", ")", "[", "]", "loguniform", "uniform", "integers",
     "choice", "logintegers", "step", "1", "0", "-", "1e-4", "1e999", "0.5", "'", "mlp", "sgd", "nan", " ", "*", "**", "{",
     "}", ":", "lambda", "default", "True", "9" * 5000, "\0", "\n", "é", "\ud800", "0x10", "1_000", "j", "...", "#", "\\"]
)  # fmt: skip
texts = st.text() | st.lists(pieces, max_size=14).map("".join)
assignments = st.builds("{}={}".format, st.sampled_from(["lr", "depth", "model", "width", "batch_size"]), texts)


@given(st.lists(texts | assignments, min_size=1, max_size=3), st.sampled_from([SWEEP, RANDOM]))
def test_any_texts_give_a_space_that_can_be_searched_or_a_space_error(given_texts, space):
    try:
        found, notes = changed(space, given_texts)
    except SpaceError as error:
        assert str(error)
        return
    assert all(isinstance(note, str) for note in notes)
    algorithm = plan.default_algorithm(found)
    drawn = plan.draw(found, algorithm, min(3, plan.size(found, algorithm, None)), seed=0)
    assert drawn
    assert json.loads(json.dumps(drawn, allow_nan=False)) == drawn
