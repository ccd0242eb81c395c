"""Resume states that lack something, are cut short or have a flipped bit: nothing wrong is ever gone on from."""

import io
import json
import random

import pytest
import torch

from trainables.config import trial_id
from trainables.files import durable
from trainables.models.networks import build
from trainables.seeds import derive
from trainables.training.optimizers import make_optimizer
from trainables.trial import checkpointing


@pytest.fixture
def folder(victims, memory, tiny):
    """A trial with two of its three epochs, and a state of each."""
    assert victims.run("train", memory / "trial", tiny, 2) == 0
    assert [path.name for path in durable.states(memory / "trial")] == ["state-000002.pt", "state-000001.pt"]
    return memory / "trial"


@pytest.fixture
def newest(folder):
    return durable.states(folder)[0]


def forget(item: str, state: dict, config: dict) -> None:
    """Put into a state what would be there if this item were not in it."""
    torch.manual_seed(derive(0, "weights"))
    model = build(config, 4)
    fresh = {"model": model.state_dict(), "optimizer": make_optimizer(config, model).state_dict(), "epoch": 1}
    if item == "best":
        state["best"]["val_accuracy"] = -1.0  # so that the next epoch is the best so far
    elif item:
        state[item] = fresh[item]


@pytest.mark.parametrize("item", ["", "model", "optimizer", "best", "epoch"])
def test_a_state_that_lacks_one_item_does_not_give_the_same_trial(victims, content, folder, newest, tiny, whole, item):
    """The control: if nothing is lacking it does, so the comparison can see every item."""
    assert json.loads(whole["best.json"])["epoch"] < 3, (
        "the best must lie before the cut, or it could be lacking unseen"
    )
    state = torch.load(io.BytesIO(durable.read_checked(newest)), weights_only=True)
    forget(item, state, tiny)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    durable.write_checked(newest, buffer.getvalue(), epoch=2, trial=trial_id(tiny, 0))
    code = victims.run("train", folder, tiny)
    assert (code == 0 and content(folder) == whole) == (item == "")


def test_every_flipped_bit_is_noticed_and_the_state_before_it_taken(
    victims, content, folder, newest, tiny, whole, times, tally
):
    data, identity, dice = newest.read_bytes(), trial_id(tiny, 0), random.Random(0)
    flips = times("FAULT_FLIPS", 300)
    for _ in range(flips):
        place = dice.randrange(8 * len(data))
        newest.write_bytes(flipped(data, place))
        assert checkpointing.load_state(folder, identity, at_most=3)["epoch"] == 1
    tally("flipped bits", flips)
    assert victims.run("train", folder, tiny) == 0
    assert content(folder) == whole


def test_every_truncation_is_noticed_and_the_state_before_it_taken(
    victims, content, folder, newest, tiny, whole, times, tally
):
    data, identity, dice = newest.read_bytes(), trial_id(tiny, 0), random.Random(0)
    lengths = {0, 1, len(data) // 2, len(data) - 1, *dice.sample(range(len(data)), times("FAULT_FLIPS", 300) // 3)}
    for length in lengths:
        newest.write_bytes(data[:length])
        assert checkpointing.load_state(folder, identity, at_most=3)["epoch"] == 1
    tally("truncated states", len(lengths))
    assert victims.run("train", folder, tiny) == 0
    assert content(folder) == whole


@pytest.mark.integration
def test_no_flipped_bit_of_a_sidecar_lets_a_wrong_state_through(folder, newest, tiny, times, tally):
    """A flip in the sidecar may cost the state, but neither an error nor another content."""
    sidecar, identity = newest.with_suffix(".json"), trial_id(tiny, 0)
    data = sidecar.read_bytes()
    good = {epoch: checkpointing.load_state(folder, identity, at_most=epoch) for epoch in (1, 2)}
    places = range(0, 8 * len(data), times("FAULT_STEP", 3))
    for place in places:
        sidecar.write_bytes(flipped(data, place))
        state = checkpointing.load_state(folder, identity, at_most=3)
        assert state is not None
        expected = good[state["epoch"]]["model"]
        assert all(torch.equal(state["model"][name], weights) for name, weights in expected.items())
    tally("flipped bits", len(places))


def test_with_no_good_state_left_it_starts_over_says_so_and_ends_the_same(victims, content, folder, tiny, whole):
    for path in durable.states(folder):
        path.write_bytes(b"")
    assert victims.run("train", folder, tiny) == 0
    assert content(folder) == whole
    notes = [record["note"] for record in durable.read_lines(folder / "timing.jsonl") if "note" in record]
    assert len(notes) == 2 and all("is damaged; the state before it is tried" in note for note in notes)


def test_a_state_of_another_trial_is_not_gone_on_from(victims, content, folder, memory, tiny, whole):
    other = tiny | {"lr": 0.02}
    assert victims.run("train", memory / "other", other, 2) == 0
    for path in durable.states(memory / "other"):
        for file in (path, path.with_suffix(".json")):
            (folder / file.name).write_bytes(file.read_bytes())
    assert victims.run("train", folder, tiny) == 0
    assert content(folder) == whole


def flipped(data: bytes, place: int) -> bytes:
    changed = bytearray(data)
    changed[place // 8] ^= 1 << place % 8
    return bytes(changed)
