"""Test each rule that keeps the bits of trials: train trials with the rule kept and with the rule broken.

With the rule kept, every hash must equal the hash of the trial trained alone. With the rule broken, at least one hash should
differ. If none differs, the hazard did not happen in this sitting, and the row says nothing about the rule. On a CPU the lanes
are those of a modelled GPU (host_graphs.py).
"""

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any
from unittest import mock

import torch
from torch import Generator, Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.session import host_graphs, trials
from benchmarks.session.bits import RATES
from benchmarks.session.host_graphs import GraphLane, Machine
from benchmarks.session.journal import Measurement, Row
from benchmarks.session.setting import Setting
from benchmarks.session.trials import Outcome
from trainables.engine import lanes as lanes_module
from trainables.engine import pieces
from trainables.engine.engine import Engine
from trainables.engine.lanes import CAPTURING, Call, Lane, StreamLane
from trainables.training import step
from trainables.training.definition import Training

TRIALS = 6  # trials on a GPU; with `small`, there are two
KINDS: tuple[dict[str, Any], ...] = (
    {"model": "mlp", "optimizer": "adamw", "dropout": 0.3, "augment": "flip"},
    {"model": "mlp", "depth": 1, "optimizer": "muon", "augment": "cutout", "ema": 1.0},
)
PRODUCTS = (*host_graphs.PRODUCTS, torch.ops.aten.bmm.default)
Lanes = Sequence[Lane]
Around = Callable[[], AbstractContextManager[Any]]


def measurements(setting: Setting) -> Iterator[Measurement]:
    yield control(
        setting, "one generator for two slots", lambda: lanes_of(setting), lambda: one_generator(setting.device)
    )
    yield control(setting, "a graph with other numbers than the call", lambda: other_graphs(setting), blind)
    yield control(
        setting, "memory short for a moment", lambda: short(setting, is_told=False), kept=lambda: short(setting)
    )
    yield Measurement("controls", "another layout in the graph", seconds(setting) / 2, lambda: layouts(setting))
    yield Measurement(
        "controls", "a writer while something is captured", seconds(setting) / 2, lambda: writers(setting)
    )
    yield Measurement("controls", "more slots than streams", 1, refused)
    yield Measurement("controls", "a slot that hangs", seconds(setting) / 2, lambda: hung(setting))


def dangerous(setting: Setting) -> Iterator[Measurement]:
    """Controls whose broken rule reads memory that another graph has overwritten; the GPU may then fail in this process."""
    yield control(setting, "called on another stream than captured", lambda: elsewhere(setting))
    yield control(setting, "one stream to capture on", lambda: one_workspace(setting))
    yield control(setting, "a graph that is reset while its neighbours go on", lambda: resetting(setting))
    yield control(setting, "one pool for two slots", lambda: one_pool(setting))


def seconds(setting: Setting) -> float:
    return 1 if setting.small else 6


def control(
    setting: Setting,
    case: str,
    broken: Callable[[], Lanes],
    around: Around = nullcontext,
    kept: Callable[[], Lanes] | None = None,
) -> Measurement:
    """The measurement of one rule, kept and broken.

    Args:
        broken: makes the lanes for the trials with the rule broken.
        around: makes a context that breaks the rule, if lanes cannot break it.
        kept: makes lanes with the hazard but with the rule kept. By default these are the lanes of `broken` if `around` breaks
            the rule, else ordinary lanes.
    """
    is_around = around is not nullcontext

    def rows() -> Iterator[Row]:
        given = trainings(setting)
        alone = [trials.by_train(training) for training in given]
        good = kept or (broken if is_around else lambda: lanes_of(setting))
        found = trials.in_engine(good(), given)
        yield {"rule": "kept", "bits": same(alone, found), **how(found)}
        with around():
            found = trials.in_engine(broken(), given)
        yield {"rule": "broken", "bits": same(alone, found), **how(found)}

    return Measurement("controls", case, seconds(setting), rows)


def trainings(setting: Setting) -> list[Training]:
    """Trainings that run side by side, of which no two are alike."""
    width, batch, count = (16, 6, 2) if setting.small else (512, 128, TRIALS)
    return [
        Training(
            trials.config(**kind, width=width, lr=RATES[kind["optimizer"]], batch_size=batch, epochs=3),
            setting.few, seed=seed, device=setting.device, precision=setting.precision,
        )
        for seed, kind in enumerate(itertools.islice(itertools.cycle(KINDS), count))
    ]  # fmt: skip


def same(alone: Sequence[Outcome], found: Sequence[Outcome]) -> str:
    return "identical" if [each.key for each in alone] == [each.key for each in found] else "differs"


def how(found: Sequence[Outcome]) -> Row:
    return {
        "ended_by_an_error": sum(each.error is not None for each in found),
        "called_because": next((each.called for each in found if each.called), None),
        "laid_aside": sum(each.laid_aside for each in found),
        "engine_errors": [each.error for each in found if each.error][:2],
    }


def lanes_of(setting: Setting) -> Sequence[Lane]:
    """Ordinary lanes: on a GPU those of the sitting, on a CPU those of a new modelled GPU."""
    if setting.device == "cuda":
        return setting.lanes[:TRIALS]
    machine = Machine()
    return [GraphLane(machine) for _ in KINDS]


@contextlib.contextmanager
def one_generator(device: str) -> Iterator[None]:
    """Break a rule: all trials draw from one random generator, which each trial seeds at the start of its epochs."""
    shared = Generator(device)
    with mock.patch.object(step, "Generator", lambda device: shared):
        yield


@contextlib.contextmanager
def blind() -> Iterator[None]:
    """Break a rule: a graph is replayed without a check that its numbers are those of the call."""
    with mock.patch.object(pieces.Moment, "unlike", lambda after, again: torch.zeros(())):
        yield


class Beside:
    """A lane that passes everything on to another lane; subclasses change parts of its behaviour."""

    captures = True

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.mark, self.retries, self.release = lane.mark, lane.retries, lane.release

    def within(self) -> AbstractContextManager[Any]:
        return self.lane.within()

    def capture(self, body: Call, generators: Sequence[Generator]) -> Call:
        return self.lane.capture(body, generators)


class Split(TorchDispatchMode):
    """A mode that computes matrix products as sums of two halves, as a library short of memory may do, with other bits.

    Args:
        most: how many products are computed this way.
    """

    def __init__(self, most: float = float("inf")) -> None:
        super().__init__()
        self.most, self.done = most, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func not in host_graphs.PRODUCTS or self.done >= self.most or args[-2].shape[1] < 2:
            return func(*args, **kwargs or {})
        self.done += 1
        *bias, left, right = args
        half = left.shape[1] // 2
        return func(*bias, left[:, :half], right[:half], **kwargs or {}) + left[:, half:] @ right[half:]


class OtherGraphs(Beside):
    """A lane whose captured graphs compute other numbers than the call."""

    def capture(self, body: Call, generators: Sequence[Generator]) -> Call:
        def otherwise() -> None:
            with Split():
                body()

        return self.lane.capture(otherwise, generators)


def other_graphs(setting: Setting) -> Lanes:
    return [OtherGraphs(lane) for lane in lanes_of(setting)]


class Short(Beside):
    """A lane with short memory at first: ten products are computed as sums of two halves.

    Args:
        is_told: whether the lane's count of allocation retries shows the short memory.
    """

    def __init__(self, lane: Lane, is_told: bool) -> None:
        super().__init__(lane)
        self._split = Split(10)
        if is_told:
            self.retries = lambda: self._split.done

    def within(self) -> AbstractContextManager[Any]:
        stack = ExitStack()
        stack.enter_context(self.lane.within())
        stack.enter_context(self._split)
        return stack


def short(setting: Setting, is_told: bool = True) -> Lanes:
    return [Short(lane, is_told) for lane in lanes_of(setting)[:1]] + list(lanes_of(setting)[1:])


class Layout(TorchDispatchMode):
    """A mode that notes the layout of the operands of products, in the order of the calls: alignment and strides.

    Args:
        bytes_: the alignment is an address modulo this number of bytes.
    """

    def __init__(self, bytes_: int) -> None:
        super().__init__()
        self._bytes, self.seen = bytes_, list[Any]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in PRODUCTS:
            self.seen.append([(each.data_ptr() % self._bytes, each.stride()) for each in args])
        return func(*args, **kwargs or {})


class Moved(TorchDispatchMode):
    """A mode that moves the operands of products in memory by one number, which breaks their alignment."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*(map(moved, args) if func in PRODUCTS else args), **kwargs or {})


def moved(tensor: Tensor) -> Tensor:
    extent = 1 + sum(stride * (size - 1) for stride, size in zip(tensor.stride(), tensor.shape, strict=True))
    place = tensor.new_empty(extent + 1).as_strided(tensor.shape, tensor.stride(), 1)
    return place.copy_(tensor)


class Laid(Beside):
    """A lane that notes the layout of operands in the call before a capture and in the capture.

    Args:
        is_kept: whether the rule is kept; if not, the operands are moved in the capture.
    """

    def __init__(self, lane: Lane, bytes_: int, is_kept: bool) -> None:
        super().__init__(lane)
        self._layout, self._is_kept, self.pairs = Layout(bytes_), is_kept, list[tuple[Any, Any]]()

    def within(self) -> AbstractContextManager[Any]:
        stack = ExitStack()
        stack.enter_context(self.lane.within())
        stack.enter_context(self._layout)
        return stack

    def capture(self, body: Call, generators: Sequence[Generator]) -> Call:
        called, self._layout.seen = self._layout.seen, []

        def laid() -> None:
            with nullcontext() if self._is_kept else Moved():
                body()

        replay = self.lane.capture(laid, generators)
        captured, self._layout.seen = self._layout.seen, []
        self.pairs.append((called[-len(captured) :], captured))
        return replay


def layouts(setting: Setting) -> Iterator[Row]:
    """Compare the layout of operands in calls and captures of one trial, because libraries choose a method by the layout."""
    bytes_ = 256 if setting.device == "cuda" else host_graphs.ALIGNED
    for rule in ("kept", "broken"):
        lane = Laid(lanes_of(setting)[0], bytes_, rule == "kept")
        found = trials.in_engine([lane], trainings(setting)[:1])
        is_same = bool(lane.pairs) and all(called == captured for called, captured in lane.pairs)
        yield {"rule": rule, "layout": "identical" if is_same else "differs", "captures": len(lane.pairs), **how(found)}


class Busy(Beside):
    """A lane that counts how often another thread uses the device during a capture; a capture waits briefly for a use."""

    is_capturing, uses = False, 0

    def capture(self, body: Call, generators: Sequence[Generator]) -> Call:
        def slowly() -> None:
            self.is_capturing = True
            body()
            before, latest = self.uses, time.monotonic() + 0.05
            while self.uses == before and time.monotonic() < latest:
                time.sleep(0.001)
            self.is_capturing = False

        return self.lane.capture(slowly, generators)

    def used(self) -> None:
        self.uses += self.is_capturing


def writers(setting: Setting) -> Iterator[Row]:
    """Train beside a thread that keeps reading numbers from the device; with the rule kept, not during a capture."""
    given = trainings(setting)
    alone = [trials.by_train(training) for training in given]
    for rule in ("kept", "broken"):
        lanes, is_over = [Busy(lane) for lane in lanes_of(setting)], threading.Event()
        lock: AbstractContextManager[Any] = CAPTURING if rule == "kept" else nullcontext()
        writer = threading.Thread(target=use, args=(setting.device, lanes, lock, is_over), daemon=True)
        writer.start()
        found = trials.in_engine(lanes, given)
        is_over.set()
        writer.join(30)
        yield {
            "rule": rule, "bits": same(alone, found), "uses_while_capturing": sum(lane.uses for lane in lanes), **how(found)
        }  # fmt: skip


def use(device: str, lanes: Sequence[Busy], lock: AbstractContextManager[Any], is_over: threading.Event) -> None:
    """Use the device again and again until `is_over` is set, and tell the lanes of each use."""
    number = torch.ones(1, device=device)
    while not is_over.is_set():
        with lock:
            number.add_(1).cpu()
            for lane in lanes:
                lane.used()
        time.sleep(0.0005)


def refused() -> Iterator[Row]:
    """Ask for more lanes than a GPU has streams, which must be refused: the 33rd stream is the first stream again."""
    try:
        lanes_module.lanes("cuda", lanes_module.STREAMS + 1)
        yield {"slots": lanes_module.STREAMS + 1, "answer": "accepted"}
    except ValueError as error:
        yield {"slots": lanes_module.STREAMS + 1, "answer": f"refused: {error}"}


class Hanging(Beside):
    """A lane whose device never finishes and reports no error."""

    def __init__(self, lane: Lane) -> None:
        super().__init__(lane)
        self.mark = lambda: lambda: False


def hung(setting: Setting) -> Iterator[Row]:
    """Train beside a lane that hangs: the other trials must get their rows.

    In a search, the watchdog would end the engine then.
    """
    given = trainings(setting)
    alone = [trials.by_train(training) for training in given]

    def until_the_others_ended(engine: Engine) -> None:
        while engine.round() or engine.running > 1:
            pass

    one, *others = lanes_of(setting)
    found = trials.in_engine([Hanging(one), *others], given, drive=until_the_others_ended)
    yield {"rows_of_the_one_that_hangs": len(found[0].rows), "others": same(alone[1:], found[1:]), **how(found[1:])}


def elsewhere(setting: Setting) -> Lanes:
    """Lanes that break a rule: called operations do not wait for replayed ones, and replayed ones not for called ones."""
    if setting.device == "cuda":
        return [ElsewhereOnGpu() for _ in range(TRIALS)]
    machine = Machine()
    return [ElsewhereOnHost(machine) for _ in KINDS]


class ElsewhereOnHost(GraphLane):
    def within(self) -> AbstractContextManager[Any]:
        return nullcontext()


class ElsewhereOnGpu(StreamLane):
    def within(self) -> AbstractContextManager[Any]:
        return nullcontext()

    def capture(self, body: Call, generators: Sequence[Generator]) -> Call:
        with torch.cuda.stream(self.stream):
            replay = super().capture(body, generators)

        def there() -> None:
            with torch.cuda.stream(self.stream):
                replay()

        return there


def one_workspace(setting: Setting) -> Lanes:
    """Lanes that break a rule: all capture on one stream, so their graphs share the library's workspace of that stream."""
    if setting.device == "cuda":
        common = torch.cuda.Stream()
        return [CapturedOn(common) for _ in range(TRIALS)]
    machine = Machine()
    common_memory = machine.workspace()
    return [GraphLane(machine, workspace=common_memory) for _ in KINDS]


class CapturedOn(StreamLane):
    def __init__(self, common: torch.cuda.Stream) -> None:
        super().__init__()
        self._common = common

    def capture(self, body: Call, generators: Sequence[Generator]) -> Call:
        with torch.cuda.stream(self._common):
            return super().capture(body, generators)


def resetting(setting: Setting) -> Lanes:
    """Lanes that break a rule: a graph is removed while another graph of its stream stays; memory that both use is freed."""
    if setting.device == "cuda":
        return [ResetOnGpu() for _ in range(TRIALS)]
    machine = Machine()
    return [ResetOnHost(machine) for _ in KINDS]


class ResetOnHost(GraphLane):
    def capture(self, body: Call, generators: Sequence[Generator]) -> Call:
        replay = super().capture(body, generators)
        assert self.workspace is not None
        self.machine.free.append(self.workspace)
        return replay


class ResetOnGpu(StreamLane):
    def capture(self, body: Call, generators: Sequence[Generator]) -> Call:
        first = super().capture(body, generators)
        second = super().capture(body, generators)
        del first
        return second


def one_pool(setting: Setting) -> Lanes:
    """Lanes that break a rule: all share one memory pool, so intermediate results of one graph overwrite those of others."""
    if setting.device == "cuda":
        made = [StreamLane() for _ in range(TRIALS)]
        with made[0].within(), CAPTURING:
            made[0]._pool()
        for lane in made:
            lane._anchor = made[0]._anchor
        return made
    machine, memory = Machine(), torch.zeros(host_graphs.POOL, dtype=torch.uint8)
    return [GraphLane(machine, pool=memory) for _ in KINDS]
