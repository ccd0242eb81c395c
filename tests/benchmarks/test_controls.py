"""Rules of the engine kept and broken, on modelled graphs and streams: pytest tests/benchmarks/test_controls.py"""

import pytest
import torch

from benchmarks.session import controls, trials
from benchmarks.session.host_graphs import POOL, GraphLane, Machine
from benchmarks.session.setting import Setting
from tests.trainables.engine.test_engine import alone, in_engine
from trainables.config import complete
from trainables.training.definition import Training

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def setting(tmp_path, toy):
    return Setting("cpu", "fp32", toy, True, tmp_path)


def graphs(setting, **shared):
    """Rows of two trials replayed side by side, and whether they are those of `train`."""
    given, machine = controls.trainings(setting), Machine()
    found = trials.in_engine([GraphLane(machine, **shared) for _ in given], given)
    return found, controls.same([trials.by_train(training) for training in given], found)


def test_replays_side_by_side_have_the_bits_of_trials_alone(setting):
    """Nothing has to be called, so all that a piece changes is put back before it is compared."""
    found, bits = graphs(setting)
    assert bits == "identical"
    assert [outcome.called for outcome in found] == [None, None]


def test_the_model_shows_a_pool_that_two_lanes_share(setting):
    assert graphs(setting, pool=torch.zeros(POOL, dtype=torch.uint8))[1] == "differs"


def test_a_graph_is_a_list_of_operations_with_frozen_numbers():
    lane, number, steps = GraphLane(Machine()), torch.zeros(2), []

    def body():
        steps.append(None)
        number.add_(torch.ones(2) * len(steps))

    with lane.within():
        replay = lane.capture(body, [])
        replay()
        replay()
        (number * 1).add_(0)  # waits for both
    assert (len(steps), number.tolist()) == (1, [3.0, 3.0])


def test_what_reads_a_number_back_cannot_be_captured():
    with pytest.raises(RuntimeError, match="not permitted when stream is capturing"):
        GraphLane(Machine()).capture(lambda: torch.zeros(1).item(), [])


def names(setting):
    return {each.case: each for part in (controls.measurements, controls.dangerous) for each in part(setting)}


CASES = {
    "one generator for two slots", "a graph with other numbers than the call", "memory short for a moment",
    "another layout in the graph", "called on another stream than captured", "one stream to capture on",
    "a graph that is reset while its neighbours go on", "one pool for two slots",
}  # fmt: skip
OTHERS = {"a writer while something is captured", "more slots than streams", "a slot that hangs"}


@pytest.mark.slow
@pytest.mark.parametrize("case", sorted(CASES))
def test_a_rule_keeps_the_bits_and_without_it_they_differ(setting, case):
    kept, broken = names(setting)[case].rows()
    word = "layout" if "layout" in kept else "bits"
    assert (kept["rule"], kept[word]) == ("kept", "identical"), kept
    assert (broken["rule"], broken[word]) == ("broken", "differs"), broken


def test_no_control_is_left_out(setting):
    assert set(names(setting)) == CASES | OTHERS


@pytest.mark.slow
def test_a_writer_uses_the_device_while_something_is_captured_only_without_the_rule(setting):
    kept, broken = names(setting)["a writer while something is captured"].rows()
    assert kept["uses_while_capturing"] == 0 < broken["uses_while_capturing"]


@pytest.mark.slow
def test_a_slot_that_hangs_holds_up_no_other(setting):
    (row,) = names(setting)["a slot that hangs"].rows()
    assert (row["rows_of_the_one_that_hangs"], row["others"]) == (0, "identical")


@pytest.mark.slow
def test_a_resnet_and_numbers_in_bfloat16_are_replayed_too(toy):
    base = {"epochs": 3, "batch_size": 20, "lr": 0.02}
    kinds = [
        {"model": "resnet", "depth": 8, "width": 2, "optimizer": "sgd", "augment": "standard"},
        {"model": "mlp", "depth": 1, "width": 16, "optimizer": "muon", "augment": "cutmix", "ema": 1.0, "dropout": 0.3},
    ]
    given = [
        Training(complete(base | kind), toy, seed=100 + seed, device="cpu", precision="bf16")
        for seed, kind in enumerate(kinds)
    ]
    machine = Machine()
    rows, _, notes = in_engine([GraphLane(machine) for _ in given], given)
    assert (rows, notes) == (alone(given), [])
