"""A user's parts are tried before Ray starts: pytest tests/search/test_rehearsal.py"""

import pytest

import spaces
from search.rehearsal import rehearse
from search.terminal.from_flags import precision_of
from spaces import Space, choice
from trainables.errors import SpaceError, UsageError

SPACE = '''"""The width of my network."""
from torch import nn
from spaces import Space, choice


class Net(nn.Module):
    def __init__(self, classes: int, channels: int = 4) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(3, channels, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(CHANNELS, classes))

    def forward(self, images):
        return self.net(images)


SPACE = Space(params={"model": Net, "channels": choice(4, 8)}, baseline={"channels": 4}, epochs=1)
'''


@pytest.fixture
def find(tmp_path, monkeypatch):
    """The space of a file elsewhere than where the user stands."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def found(text):
        path = tmp_path / "mine" / "net_search.py"
        path.write_text(text)
        return spaces.find("../mine/net_search.py")

    return found


@pytest.mark.slow
@pytest.mark.integration
def test_parts_of_a_file_elsewhere_are_tried_from_there(find, tmp_path):
    found = find(SPACE.replace("CHANNELS", "channels"))
    assert found.code.origin == tmp_path / "mine"
    assert rehearse(found.space, 3, found.code.origin) == []


@pytest.mark.integration
@pytest.mark.slow
def test_a_mistake_in_one_has_the_file_and_the_line(find):
    found = find(SPACE.replace("CHANNELS", "channels + 1"))
    with pytest.raises(SpaceError, match=r"net_search\.py:\d+"):
        rehearse(found.space, 3, found.code.origin)


def test_a_space_that_says_no_to_bfloat16_is_trained_in_float32():
    params = {"model": "mlp", "lr": choice(0.1, 0.2)}
    usual, without = (
        Space(params=params, baseline={"lr": 0.1}, epochs=1, **more) for more in ({}, {"bfloat16": False})
    )
    assert [precision_of(usual, asked) for asked in ("auto", "bf16", "fp32")] == ["auto", "bf16", "fp32"]
    assert [precision_of(without, asked) for asked in ("auto", "fp32")] == ["fp32", "fp32"]
    with pytest.raises(UsageError, match="--precision bf16: the space says bfloat16=False"):
        precision_of(without, "bf16")
