"""Trials that take turns have the rows they have alone: pytest tests/trainables/engine/test_engine.py"""

import io
import itertools
import traceback
import weakref

import pytest
import torch

from trainables.config import complete
from trainables.engine.engine import Engine, Work, run
from trainables.engine.lanes import HostLane
from trainables.training.definition import Training
from trainables.training.loop import Course, train

pytestmark = pytest.mark.usefixtures("one_thread")


MIXED = [
    {"model": "mlp", "width": 32, "depth": 2, "optimizer": "adamw", "dropout": 0.3, "augment": "cutmix", "ema": 0.5},
    {"model": "convnet", "width": 4, "depth": 2, "optimizer": "sgd", "lr": 0.05, "augment": "standard", "epochs": 2},
    {"model": "mlp", "width": 16, "depth": 1, "optimizer": "muon", "dropout": 0.5, "augment": "mixup", "batch_size": 33},
    {"model": "tests.trainables.engine.nets:Net", "width": 16, "optimizer": "adamw", "ema": 0.5, "epochs": 3},
    {"model": "speed_net", "width": 2, "optimizer": "sgd", "lr": 0.1, "ema": 1.0, "augment": "cutout", "epochs": 2},
    {"model": "mlp", "width": 16, "depth": 1, "optimizer": "sgd", "momentum": 0.0, "schedule": "onecycle", "batch_size": 50},
]  # fmt: skip
OWN = "parts of the user's own may draw from torch's global random states"


def trainings(toy, count):
    """So many trials, no two alike; the first ones are all different in kind."""
    cases = itertools.islice(itertools.cycle(MIXED), count)
    basis = {"batch_size": 20, "lr": 0.01, "epochs": 4}
    return [
        Training(complete(basis | case), toy, seed=seed, device="cpu", precision="fp32" if seed % 2 else "bf16")
        for seed, case in enumerate(cases)
    ]


def in_engine(lanes, given, until=None, states=None):
    """Rows of each trial, the last state of each, and the notes; each trial ends after `until` epochs of this run."""
    rows, saved, notes = [[] for _ in given], {}, []

    def work(place, training):
        def heard(epoch):
            rows[place].append(epoch.metrics)
            buffer = io.BytesIO()
            torch.save(epoch.state(), buffer)
            saved[place] = torch.load(io.BytesIO(buffer.getvalue()), weights_only=True)
            return until is None or len(rows[place]) < until

        def ended(error):
            if error:
                raise error

        return Work(
            training=training, heard=heard, ended=ended, noted=notes.append, state=states[place] if states else None
        )

    todo = iter([work(place, training) for place, training in enumerate(given)])
    run(lanes, lambda: next(todo, None))
    return rows, saved, notes


ALONE = {}  # rows by seed, which names the case in `trainings`: each trial is trained alone once for all tests


def alone(given):
    for training in given:
        if training.seed not in ALONE:
            ALONE[training.seed] = [epoch.metrics for epoch in train(training)]
    return [ALONE[training.seed] for training in given]


@pytest.mark.parametrize("captures", [False, True])
@pytest.mark.parametrize("count", [1, 2, 5, pytest.param(16, marks=pytest.mark.slow)])
def test_rows_are_those_of_trials_that_run_alone(toy, count, captures):
    given = trainings(toy, count)
    rows, _, notes = in_engine([HostLane(captures) for _ in range(min(count, 6))], given)
    assert rows == alone(given)
    assert notes == [OWN] * (count // len(MIXED) + (count % len(MIXED) > 3)) * captures


@pytest.mark.parametrize("captures", [False, True])
def test_a_trial_that_is_ended_and_continued_has_the_same_rows(toy, captures):
    given = trainings(toy, 5)
    first, states, _ = in_engine([HostLane(captures) for _ in range(3)], given, until=1)
    rest, last, notes = in_engine([HostLane(captures) for _ in range(3)], given, states=states)
    assert [one + other for one, other in zip(first, rest, strict=True)] == alone(given)
    whole = in_engine([HostLane(captures) for _ in range(5)], given)[1]
    for place, state in last.items():
        for name, weight in state["model"].items():
            assert torch.equal(weight, whole[place]["model"][name])
    assert notes == [OWN] * captures


class Memory:
    """A device that has no memory for one of the trials, the first `times` that it gets to the end of an epoch."""

    def __init__(self, given, victim, times, error):
        self.given, self.victim, self.times, self.error = given, victim, times, error
        self.rows, self.errors, self.company = [[] for _ in given], [None for _ in given], []
        self.again = []  # trials that were laid aside
        self.todo = iter(range(len(given)))
        self.engine = Engine([HostLane() for _ in given], self.take)

    def take(self):
        place = next(self.todo, None)
        return None if place is None else self.work(place)

    def work(self, place):
        def heard(epoch):
            if place == self.victim and self.times:
                self.times -= 1
                self.company.append(self.engine.running - 1)
                raise self.error
            self.rows[place].append(epoch.metrics)
            return True

        def ended(error):
            self.errors[place] = error

        def again():
            self.again.append(place)
            self.rows[place].clear()
            return self.work(place)

        return Work(training=self.given[place], heard=heard, ended=ended, again=again)


NO_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory"),
    RuntimeError("GET was unable to find an engine to execute this computation"),
]


@pytest.mark.parametrize("error", NO_MEMORY, ids=["torch", "cuDNN"])
def test_a_trial_without_memory_waits_and_half_as_many_train(toy, error):
    given = trainings(toy, 4)
    memory = Memory(given, victim=1, times=1, error=error)
    memory.engine.run()
    assert memory.engine.most == 2
    assert memory.rows == alone(given)
    assert memory.errors == [None] * 4


def test_a_trial_without_memory_alone_is_to_blame(toy):
    given = trainings(toy, 4)
    memory = Memory(given, victim=1, times=9, error=NO_MEMORY[0])
    memory.engine.run()
    assert memory.company == [3, 0]
    assert memory.errors == [None, NO_MEMORY[0], None, None]
    assert [rows for place, rows in enumerate(memory.rows) if place != 1] == [
        rows for place, rows in enumerate(alone(given)) if place != 1
    ]


def test_an_error_of_one_trial_is_its_own(toy):
    given = trainings(toy, 3)
    memory = Memory(given, victim=1, times=1, error=ValueError("shapes do not match"))
    memory.engine.run()
    assert isinstance(memory.errors[1], ValueError)
    assert memory.rows[::2] == alone(given)[::2]


def test_an_error_tells_its_lines_and_holds_no_memory(toy):
    """`where` in a ledger is that of a process of its own; what the frames held is given back before others go on."""
    held = []

    def raising(epoch):
        numbers = torch.zeros(1)
        held.append(weakref.ref(numbers))
        raise ValueError("shapes do not match")

    errors = []
    todo = iter([Work(training=trainings(toy, 1)[0], heard=raising, ended=errors.append)])
    run([HostLane()], lambda: next(todo, None))
    assert traceback.extract_tb(errors[0].__traceback__)[-1].name == "raising"
    assert held[0]() is None


class Late(HostLane):
    """A lane of a device that is behind: marks are done only when they were asked for a second time."""

    def __init__(self):
        super().__init__()
        self.given = self.done = 0

    def mark(self):
        self.given += 1
        mine = self.given

        def is_done():
            before, self.done = self.done, max(self.done, mine)
            return before >= mine

        return is_done


def test_an_epoch_is_told_when_the_device_has_done_all_that_it_is_made_of(toy, monkeypatch):
    """The copy of the best weights too: on a GPU another thread reads it, on another stream."""
    lane, real, seen = Late(), Course.result, []

    def result(course, epoch, report):
        found = real(course, epoch, report)
        seen.append(lane.given)
        return found

    def heard(epoch):
        assert lane.done > seen[-1], "a mark that was set after the copy"
        return True

    errors = []
    monkeypatch.setattr(Course, "result", result)
    todo = iter([Work(training=trainings(toy, 1)[0], heard=heard, ended=errors.append)])
    run([lane], lambda: next(todo, None))
    assert errors == [None]
    assert len(seen) == 4


@pytest.mark.parametrize("text", ["CUDA error: an illegal memory access", "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"])
def test_a_broken_device_ends_the_engine(toy, text):
    memory = Memory(trainings(toy, 2), victim=1, times=1, error=RuntimeError(text))
    with pytest.raises(RuntimeError, match=text):
        memory.engine.run()
    assert memory.errors == [None, None], "no trial is blamed"


class Different(HostLane):
    """Its graphs have other numbers than the calls, as something that was frozen would have."""

    def capture(self, body, generators):
        def replay():
            body()
            for generator in generators:
                torch.rand(1, generator=generator)

        return replay


class Refusing(HostLane):
    def capture(self, body, generators):
        raise RuntimeError("operation not permitted when stream is capturing\nand more")


@pytest.mark.parametrize(
    ("lane", "why"),
    [(Different, "a replay had other numbers"), (Refusing, "operation not permitted when stream is capturing")],
)
def test_what_cannot_be_captured_is_called_beside_the_others(toy, lane, why):
    """torch's global random state is as it was, for the process and for the other trials."""
    given = trainings(toy, 3)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    rows, _, notes = in_engine([HostLane(captures=True), lane(captures=True), HostLane()], given)
    assert torch.equal(torch.get_rng_state(), before)
    assert rows == alone(given)
    assert len(notes) == 1
    assert why in notes[0]


class Short(HostLane):
    """Memory is short whenever something is called beside other trials, and found after all; then numbers are others.

    Attributes:
        calls: how many calls are without that.
    """

    def __init__(self, calls=0):
        super().__init__(captures=True)
        self.calls, self.asked, self.released = calls, 0, 0

    def retries(self):
        self.asked += 1
        return self.asked // 2 if self.asked > 2 * self.calls else 0

    def release(self):
        self.released += 1


@pytest.mark.parametrize("calls", [0, 1, 2, 4], ids=["called", "captured", "validated", "validated again"])
def test_a_trial_whose_memory_was_short_for_a_moment_is_trained_again_alone(toy, calls):
    """Where it was short is one of: the first call, the capture, the first validation, a later one."""
    given = trainings(toy, 2)
    lanes = [HostLane(captures=True), Short(calls)]
    memory = Memory(given, victim=None, times=0, error=None)
    memory.engine = Engine(lanes, memory.take)
    memory.engine.run()
    assert memory.engine.most == 1
    assert memory.again == [1]
    assert memory.errors == [None, None], "what is short alone is all there is"
    assert memory.rows == alone(given)


def test_a_user_s_network_is_watched_at_every_call(toy):
    given = trainings(toy, 4)[2:]
    memory = Memory(given, victim=None, times=0, error=None)
    memory.engine = Engine([HostLane(captures=True), Short(calls=5)], memory.take)
    memory.engine.run()
    assert memory.again == [1]
    assert memory.rows == alone(given)


def test_a_trial_that_is_tried_alone_has_the_memory_of_all_lanes_and_no_company(toy):
    """Graphs of trials that have ended are gone; a lane keeps their memory until it is asked for it."""
    given, lanes = trainings(toy, 3), [Short(calls=99) for _ in range(3)]
    memory = Memory(given, victim=1, times=1, error=NO_MEMORY[0])
    memory.engine = Engine(lanes, memory.take)
    memory.todo, more = iter([0, 1]), []
    real = memory.engine._try_alone

    def try_alone(slot, work):
        before = [lane.released for lane in lanes]
        real(slot, work)
        assert [lane.released - then for lane, then in zip(lanes, before, strict=True)] == [1, 1, 1]
        memory.todo = iter([2])  # comes meanwhile

    memory.engine._try_alone = try_alone
    company = memory.engine._turn

    def turn(slot):
        if slot.is_alone:
            more.append(memory.engine.running)
        return company(slot)

    memory.engine._turn = turn
    memory.engine.run()
    assert set(more) == {1}
    assert memory.errors == [None] * 3
    assert memory.rows == alone(given)


def test_a_trial_too_large_for_the_device_costs_the_others_no_lane(toy):
    """It ran out of memory with nothing beside it, so fewer at once would not help."""
    given = trainings(toy, 1)
    memory = Memory(given, victim=0, times=9, error=NO_MEMORY[0])
    memory.engine = Engine([HostLane() for _ in range(4)], memory.take)
    memory.engine.run()
    assert memory.engine.most == 4
    assert memory.errors == [NO_MEMORY[0]]
    assert memory.again == [0], "it is tried again when nobody else has memory, and only then blamed"
