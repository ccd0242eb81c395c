"""A metric of the user's own beside a space: pytest tests/spaces/test_metrics.py"""

import pytest

import spaces
from trainables.errors import SpaceError

MINE = """
from spaces import Space, choice

SPACE = Space(params={"model": "mlp", "lr": choice(0.1, 0.2)}, baseline={"lr": 0.1}, epochs=1)


def in_the_same_file(labels, predicted):
    return 1.0
"""
METRIC = """
from beside import factor


def score(labels, predicted):
    return factor * (labels == predicted).mean()
"""


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "mine" / "below").mkdir(parents=True)
    (tmp_path / "mine" / "mine_search.py").write_text(MINE)
    for folder in (tmp_path / "mine", tmp_path / "mine" / "below", tmp_path / "here"):
        (folder / "my_metrics.py").write_text(METRIC)
        (folder / "beside.py").write_text("factor = 2\n")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


@pytest.mark.parametrize(
    ("metric", "source"),
    [
        ("my_metrics.py:score", "my_metrics.py:score"),
        ("./my_metrics.py:score", "my_metrics.py:score"),
        ("below/my_metrics.py:score", "below/my_metrics.py:score"),
        ("../mine/below/my_metrics.py:score", "below/my_metrics.py:score"),
        ("mine_search.py:in_the_same_file", "mine_search.py:in_the_same_file"),
    ],
)
def test_it_is_named_from_the_space_and_its_code_travels_along(metric, source):
    found = spaces.find("../mine/mine_search.py", metric)
    assert found.objective.source == source
    assert found.code.has("mine_search")
    assert source.partition(":")[0] in found.code.files
    assert ("beside.py" in found.code.files) == ("my_metrics" in source)


def test_with_a_space_of_ours_its_code_is_all_that_travels(place):
    found = spaces.find("lr_sweep", "my_metrics.py:score")
    assert sorted(found.code.files) == ["beside.py", "my_metrics.py"]
    assert (found.objective.column, found.name) == ("val_score", "lr_sweep")
    elsewhere = spaces.find("lr_sweep", str(place / "mine/below/my_metrics.py:score"))
    assert (elsewhere.objective, elsewhere.code.hash) == (found.objective, found.code.hash)


def test_one_of_a_library_has_no_code_of_the_users():
    found = spaces.find("lr_sweep", "sklearn.metrics:cohen_kappa_score")
    assert (found.code, found.objective.source) == (None, "sklearn.metrics:cohen_kappa_score")
    assert spaces.find("lr_sweep", "macro_f1").objective is None


@pytest.mark.parametrize(
    ("space", "metric", "what"),
    [
        ("../mine/mine_search.py", "../here/my_metrics.py:score", r"does not lie in .*mine, as the space does"),
        ("../mine/mine_search.py", "my_metrics.py:scores", "has no function or class 'scores'. Did you mean 'score'"),
        ("lr_sweep", "my_metric.py:score", r"cannot import .* has no my_metric.py. Did you mean 'my_metrics.py'"),
        ("lr_sweep", "my_metrics:score", r"lies in a file of yours. Write my_metrics.py:score"),
        ("lr_sweep", "broken.py:score", r"cannot import broken.py:score: broken.py:1: ZeroDivisionError"),
        ("lr_sweep", "ending.py:score", r"ending.py: importing it ended its process \(exit code 4\)"),
    ],
)
def test_a_mistake_is_one_line(space, metric, what, place):
    (place / "here" / "broken.py").write_text("1 / 0\n")
    (place / "here" / "ending.py").write_text("import os\nos._exit(4)\n")
    with pytest.raises(SpaceError, match=what):
        spaces.find(space, metric)


def test_own_training_that_reads_no_metric_is_found_wherever_that_lies(place):
    (place / "mine" / "looping.py").write_text(
        "from spaces import Space, choice\n\n\ndef train(config, *, seed, device, state=None):\n    yield {'loss': 1.0}\n\n\n"
        'SPACE = Space(train=train, metric="loss", mode="min", params={"lr": choice(0.1, 0.2)}, baseline={"lr": 0.1}, epochs=1)\n'
    )
    (place / "mine" / "my_metrics.py").unlink()
    found = spaces.find("../mine/looping.py", "my_metrics.py:score")
    assert (found.space.is_own, found.objective) == (True, None)
    with pytest.raises(SpaceError, match="does not lie in"):
        spaces.find("../mine/mine_search.py", "my_metrics.py:score")
