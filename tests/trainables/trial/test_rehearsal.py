"""Parts that do not work, each answered with one line: pytest tests/trainables/trial/test_rehearsal.py"""

import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

from search import rehearsal as of_search
from spaces import Space, choice
from trainables.cli import child
from trainables.config import complete
from trainables.errors import SpaceError
from trainables.trial.rehearsal import rehearse

HERE = Path(__file__).parent
FILE = "broken_parts.py"
LINES = (HERE / FILE).read_text().splitlines()

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def reached(monkeypatch):
    monkeypatch.syspath_prepend(str(HERE))


def line_of(text):
    """The number of the only line that has this text."""
    (found,) = (number for number, line in enumerate(LINES, 1) if text in line)
    return found


def forward_of(name):
    """The line of the forward of a class."""
    first = line_of(f"class {name}(")
    return next(number for number in range(first, len(LINES) + 1) if "def forward" in LINES[number - 1])


MISTAKES = [
    ({"model": "WrongShape"}, lambda: forward_of("WrongShape"), r"gives \(8, 7\) for 8 images, not \(8, 10\)"),
    ({"model": "WrongInput"}, lambda: line_of("# raises"), "fails: RuntimeError: .*8x3072 and 3000x10"),
    ({"model": "Unmade"}, lambda: line_of("klasses"), "cannot be made: NameError: name 'klasses' is not defined"),
    ({"model": "Weightless"}, lambda: forward_of("Weightless"), "has no weights. Assign its layers to self"),
    ({"model": "no_network"}, lambda: line_of("def no_network"), "returns a list, not an nn.Module"),
    ({"model": "Unsaved"}, lambda: line_of("class Unsaved"), "has a state that cannot be saved and read back"),
    ({"loss": "per_image"}, lambda: line_of("def per_image"), r"gives \(8,\), not one number"),
    ({"loss": "detached"}, lambda: line_of("def detached"), "does not depend on the weights"),
    ({"loss": "infinite"}, lambda: line_of("def infinite"), "is -?inf for an untrained network"),
    ({"augment": "halved"}, lambda: line_of("def halved"), "fails: RuntimeError"),
    ({"augment": "forgetful"}, lambda: line_of("def forgetful"), "gives 3 labels for 8 images"),
    ({"optimizer": "no_optimizer"}, lambda: line_of("def no_optimizer"), "gives a Good, not a torch optimizer"),
    ({"optimizer": "closure"}, lambda: line_of("def closure"), "fails in a step: TypeError: .*closure"),
    ({"schedule": "negative"}, lambda: line_of("def negative"), "gives -1.0 at 0.0"),
]


@pytest.mark.parametrize(("given", "line", "what"), MISTAKES, ids=[next(iter(case[0].values())) for case in MISTAKES])
def test_a_mistake_is_one_line_with_the_users_file_and_line(given, line, what):
    config = complete({"model": f"{FILE}:Good", **{key: f"{FILE}:{name}" for key, name in given.items()}})
    with pytest.raises(SpaceError, match=what) as caught:
        rehearse([config], 10)
    assert str(caught.value).isprintable()
    assert str(caught.value).startswith(f"{FILE}:{line()}: ")
    assert caught.value.exit_code == 3


def test_a_network_may_say_no_to_channels_last():
    line = line_of("# viewed")
    with pytest.raises(SpaceError, match=rf"^{FILE}:{line}: .* Or write channels_last = False in the class\."):
        rehearse([complete({"model": f"{FILE}:Viewed"})], 10)
    assert rehearse([complete({"model": f"{FILE}:ViewedOneByOne", "ema": 0.5})], 10) == []


def test_a_network_that_bfloat16_breaks_is_told_before_it_is_trained_in_it():
    configs = [complete({"model": f"{FILE}:OnlyFloat32"})]
    assert rehearse(configs, 10) == []
    what = r"fails in bfloat16: TypeError: not made for torch.bfloat16\. Write bfloat16=False in the space"
    with pytest.raises(SpaceError, match=rf"^{FILE}:{line_of('# bfloat16')}: model .*{what}"):
        rehearse(configs, 10, precision="bf16")


METRICS = [
    ("nothing", "def nothing", "gives nan, not a finite number. Tried on 20 images, all right"),
    ("unmeasured", "labels[len(labels)]", "fails: IndexError: index 20 is out of bounds"),
    ("worded", "def worded", "gives a str, not a number. Return a float"),
    ("tensor", "def tensor", "gives a Tensor, not a number. Return a float"),
    ("precision", "def precision", "gives nan, not a finite number. Tried on 20 images, all taken for one class"),
    ("drawn", "def drawn", "gives .* and .* of the same images"),
    ("of_three", "def of_three", "fails: TypeError: .* missing 1 required positional argument: 'weights'"),
]


@pytest.mark.parametrize(("name", "line", "what"), METRICS, ids=[case[0] for case in METRICS])
def test_a_metric_that_cannot_be_gone_by_is_one_line_with_the_users_file_and_line(name, line, what):
    with pytest.raises(SpaceError, match=rf"^{FILE}:{line_of(line)}: metric {FILE}:{name} {what}") as caught:
        rehearse([], 10, f"{FILE}:{name}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("model", "what"),
    [
        ("Good", []),
        ("Spare", ["no gradient reaches spare.weight and 1 more; is it used?"]),
        ("Restless", ["the same training gave two losses"]),
    ],
)
def test_what_is_probably_not_meant_is_said(model, what):
    found = rehearse([complete({"model": f"{FILE}:{model}"})], 10)
    assert len(found) == len(what)
    assert all(re.search(re.escape(text), line) for text, line in zip(what, found, strict=True))


def test_two_losses_that_differ_are_each_of_an_image():
    found = rehearse([complete({"model": f"{FILE}:Drifting"})], 10)
    losses = [float(each) for line in found for each in re.findall(r"two losses, ([\d.]+) and ([\d.]+)", line)[0]]
    assert losses == [pytest.approx(math.log(10), abs=0.1)] * 2


def space(*models):
    params = {"model": choice(*(f"{FILE}:{name}" for name in models), "mlp"), "lr": choice(0.1, 0.2)}
    return Space(params=params, baseline={"model": "mlp", "lr": 0.1}, epochs=1)


def test_each_own_part_of_a_space_is_tried_once():
    found = [config["model"] for config in of_search.configurations(space("Good", "Spare"))]
    assert sorted(found) == [f"{FILE}:Good", f"{FILE}:Spare"]
    assert of_search.rehearse(Space(params={"lr": choice(0.1, 0.2)}, baseline={"lr": 0.1}, epochs=1), 10, None) == []


@pytest.mark.integration
def test_a_child_process_tries_the_parts_of_a_space():
    assert of_search.rehearse(space("Good", "Spare"), 10, HERE) == [
        f"model {FILE}:Spare: no gradient reaches spare.weight and 1 more; is it used?"
    ]
    with pytest.raises(SpaceError, match=f"^{FILE}:{forward_of('WrongShape')}: model"):
        of_search.rehearse(space("Good", "WrongShape"), 10, HERE)


@pytest.mark.integration
@pytest.mark.slow
def test_one_configuration_from_the_command_line(tmp_path):
    command = [
        sys.executable,
        "-m",
        "trainables",
        "--dataset",
        "digits",
        "--data-dir",
        str(tmp_path),
        "--epochs",
        "1",
        "--quiet",
    ]

    def called(*words):
        return subprocess.run([*command, *words], cwd=HERE, env=child.environment(), capture_output=True, text=True)

    broken = called("--model", f"{FILE}:Good", "--loss", f"{FILE}:detached")
    assert (broken.returncode, broken.stderr.count("\n")) == (3, 1)
    assert broken.stderr.startswith(f"error[space]: {FILE}:{line_of('def detached')}: loss")
    unmeasured = called("--model", "mlp", "--width", "8", "--metric", f"{FILE}:worded")
    assert unmeasured.returncode == 3
    assert unmeasured.stderr.startswith(
        f"error[space]: {FILE}:{line_of('def worded')}: metric {FILE}:worded gives a str"
    )
    assert called("--model", f"{FILE}:Good", "--widht", "3").returncode == 2
    good = called("--model", f"{FILE}:Good", "--lr", "0.01", "--out", str(tmp_path / "one"))
    assert (good.returncode, good.stderr) == (0, "")
    assert "val_accuracy" in good.stdout
