"""Lanes of a GPU, held to what torch's source says of its graphs: pytest tests/trainables/engine/test_lanes.py

There is no GPU here. The model of torch 2.11 below knows the rules that its graphs have for streams, pools and generators.
"""

import contextlib
import itertools
from types import SimpleNamespace

import pytest
import torch

from trainables.engine import lanes
from trainables.engine.lanes import CAPTURING, StreamLane

CUT = "operation failed due to a previous error during capture"


class Generator:
    """`is_capturing` is set when a graph begins, and only a capture that ends well takes it back."""

    is_capturing = False

    def draw(self, cuda):
        if self.is_capturing and not cuda.capturing:
            raise RuntimeError("Offset increment outside graph capture encountered unexpectedly.")


class Graph:
    def __init__(self, cuda):
        self.cuda, self.generators, self.own_pool = cuda, [cuda.default], object()

    def register_generator_state(self, generator):
        assert not self.cuda.capturing
        self.generators.append(generator)

    def capture_begin(self, pool=None, capture_error_mode="global"):
        assert CAPTURING.locked(), "one capture at a time, and no other thread uses the device"
        assert capture_error_mode == "thread_local"
        self.used = pool or self.own_pool
        for generator in self.generators:
            generator.is_capturing = True
        self.cuda.capturing, self.cuda.to_pool = True, self.used
        if self.cuda.fails == "begin":
            self.cuda.capturing = False
            raise RuntimeError(CUT)

    def capture_end(self):
        if not self.cuda.capturing:
            raise RuntimeError("capture_end() called before capture_begin().")
        self.cuda.capturing = False
        if self.cuda.fails == "end":
            raise RuntimeError(CUT)
        self.cuda.to_pool = None
        for generator in self.generators:
            generator.is_capturing = False

    def pool(self):
        return self.used

    def replay(self):
        self.cuda.replayed.append(self)


@pytest.fixture
def cuda(monkeypatch):
    """What is used of torch.cuda; `fails` says where a capture is cut short."""
    streams = itertools.cycle(SimpleNamespace(cuda_stream=number, synchronize=lambda: None) for number in range(32))
    fake = SimpleNamespace(
        capturing=False, to_pool=None, fails=None, replayed=[], emptied=0, default=Generator(), current_device=lambda: 0,
        Stream=lambda: next(streams), stream=lambda stream: contextlib.nullcontext(),
        current_stream=lambda: SimpleNamespace(synchronize=lambda: None),
    )  # fmt: skip

    def end_allocation(device, pool):
        if fake.to_pool is not pool:
            raise RuntimeError("not currently recording to this pool")
        fake.to_pool = None

    def empty_cache():
        fake.emptied += 1

    fake.CUDAGraph, fake.empty_cache = lambda: Graph(fake), empty_cache
    monkeypatch.setattr(lanes, "torch", SimpleNamespace(
        cuda=fake, zeros=lambda count, device: torch.zeros(count), _C=SimpleNamespace(_cuda_endAllocateToPool=end_allocation),
    ))  # fmt: skip
    return fake


def test_graphs_of_a_lane_share_its_pool_and_lanes_share_none(cuda):
    one, two = lanes.lanes("cuda", 2)
    replays = [lane.capture(lambda: None, []) for lane in (one, one, two)]
    for replay in replays:
        replay()
    pools = [graph.pool() for graph in cuda.replayed]
    assert pools[0] is pools[1]
    assert pools[0] is not pools[2]


def test_a_lane_that_gives_its_memory_back_begins_another_pool(cuda):
    lane = StreamLane()
    lane.capture(lambda: None, [])()
    lane.release()
    lane.capture(lambda: None, [])()
    assert cuda.replayed[0].pool() is not cuda.replayed[1].pool()
    assert cuda.emptied == 1


@pytest.mark.parametrize("where", ["body", "begin", "end"])
def test_after_a_capture_that_was_cut_short_the_device_and_the_generators_can_be_used(cuda, where):
    """Those of the trial too, which goes on by calls; torch leaves them in the capture."""
    lane, generator = StreamLane(), Generator()
    lane.capture(lambda: None, [])

    def body():
        generator.draw(cuda)
        if where == "body":
            cuda.fails = "end"
            raise RuntimeError("operation not permitted when stream is capturing")

    cuda.fails = where if where != "body" else None
    real = Graph.capture_end

    def healed(graph):  # what was wrong was wrong with this capture alone
        try:
            real(graph)
        finally:
            cuda.fails = None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Graph, "capture_end", healed)
        with pytest.raises(RuntimeError, match="operation"):
            lane.capture(body, [generator])
    assert not cuda.capturing
    assert cuda.to_pool is None
    generator.draw(cuda)
    cuda.default.draw(cuda)
    lane.capture(lambda: generator.draw(cuda), [generator])


def test_no_two_lanes_are_one_stream(cuda):
    """Here the 33rd stream is the first, as torch has it; and somebody else may have taken some."""
    with pytest.raises(ValueError, match="33 slots on a GPU: torch has 32 streams"):
        lanes.lanes("cuda", 33)
    handles = {lane.stream.cuda_stream for lane in lanes.lanes("cuda", 32)}
    assert len(handles) == 32
    twice = itertools.cycle([SimpleNamespace(cuda_stream=1)])
    cuda.Stream = lambda: next(twice)
    with pytest.raises(ValueError, match="other parts of this process use streams of it"):
        lanes.lanes("cuda", 2)
