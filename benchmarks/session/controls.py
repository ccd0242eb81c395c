"""The rules that keep the bits, each kept and each broken.

With the rule kept every hash must be as alone. With the rule broken one should differ; where none does, the hazard did not happen
in this sitting, and the row says nothing of the rule. On a CPU the lanes are those of a modelled GPU (host_graphs.py).
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

TRIALS = 6  # on a GPU; on a CPU two
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
    """Broken, these read places that another graph has written over: a GPU may not answer this process any more."""
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
    """A rule, kept and broken.

    Args:
        broken: lanes that break the rule.
        around: breaks it, where that is not for lanes to do.
        kept: lanes with the hazard and the rule; those with `around` if there is one, else ordinary ones.
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
    """Trials to be trained side by side, no two alike."""
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
    """Ordinary ones, on a GPU those of the sitting."""
    if setting.device == "cuda":
        return setting.lanes[:TRIALS]
    machine = Machine()
    return [GraphLane(machine) for _ in KINDS]


@contextlib.contextmanager
def one_generator(device: str) -> Iterator[None]:
    """Broken: all trials draw from one generator, which each of them seeds at the start of its epochs."""
    shared = Generator(device)
    with mock.patch.object(step, "Generator", lambda device: shared):
        yield


@contextlib.contextmanager
def blind() -> Iterator[None]:
    """Broken: a graph is replayed without a look at whether it has the numbers of the call."""
    with mock.patch.object(pieces.Moment, "unlike", lambda after, again: torch.zeros(())):
        yield


class Beside:
    """A lane in the place of another."""

    captures = True

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.mark, self.retries, self.release = lane.mark, lane.retries, lane.release

    def within(self) -> AbstractContextManager[Any]:
        return self.lane.within()

    def capture(self, body: Call, generators: Sequence[Generator]) -> Call:
        return self.lane.capture(body, generators)


class Split(TorchDispatchMode):
    """Products are sums of two halves, as a library without memory for more may take them: other bits.

    Args:
        most: how many products.
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
    """What it captures has other numbers than what was called."""

    def capture(self, body: Call, generators: Sequence[Generator]) -> Call:
        def otherwise() -> None:
            with Split():
                body()

        return self.lane.capture(otherwise, generators)


def other_graphs(setting: Setting) -> Lanes:
    return [OtherGraphs(lane) for lane in lanes_of(setting)]


class Short(Beside):
    """At first memory is short for ten products, which a library then takes in another way.

    Args:
        is_told: whether the allocator says so.
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
    """How far the operands of products lie from a multiple of so many bytes, in the order in which they were called."""

    def __init__(self, bytes_: int) -> None:
        super().__init__()
        self._bytes, self.seen = bytes_, list[Any]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in PRODUCTS:
            self.seen.append([(each.data_ptr() % self._bytes, each.stride()) for each in args])
        return func(*args, **kwargs or {})


class Moved(TorchDispatchMode):
    """The operands of products lie one number further than a library likes them."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*(map(moved, args) if func in PRODUCTS else args), **kwargs or {})


def moved(tensor: Tensor) -> Tensor:
    extent = 1 + sum(stride * (size - 1) for stride, size in zip(tensor.stride(), tensor.shape, strict=True))
    place = tensor.new_empty(extent + 1).as_strided(tensor.shape, tensor.stride(), 1)
    return place.copy_(tensor)


class Laid(Beside):
    """Notes how operands lie in the call before a capture and in the capture."""

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
    """What is called and captured lies the same way: libraries choose by it. One trial."""
    bytes_ = 256 if setting.device == "cuda" else host_graphs.ALIGNED
    for rule in ("kept", "broken"):
        lane = Laid(lanes_of(setting)[0], bytes_, rule == "kept")
        found = trials.in_engine([lane], trainings(setting)[:1])
        is_same = bool(lane.pairs) and all(called == captured for called, captured in lane.pairs)
        yield {"rule": rule, "layout": "identical" if is_same else "differs", "captures": len(lane.pairs), **how(found)}


class Busy(Beside):
    """Counts how often another thread uses the device while something is captured here, for which it gives it time."""

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
    """A thread reads numbers from the device all the time; with the rule not while something is captured."""
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
    """Until it is over."""
    number = torch.ones(1, device=device)
    while not is_over.is_set():
        with lock:
            number.add_(1).cpu()
            for lane in lanes:
                lane.used()
        time.sleep(0.0005)


def refused() -> Iterator[Row]:
    """The 33rd stream of a GPU is the first one again."""
    try:
        lanes_module.lanes("cuda", lanes_module.STREAMS + 1)
        yield {"slots": lanes_module.STREAMS + 1, "answer": "accepted"}
    except ValueError as error:
        yield {"slots": lanes_module.STREAMS + 1, "answer": f"refused: {error}"}


class Hanging(Beside):
    """A device that is never done, and does not say so."""

    def __init__(self, lane: Lane) -> None:
        super().__init__(lane)
        self.mark = lambda: lambda: False


def hung(setting: Setting) -> Iterator[Row]:
    """The others have their rows. What ends the engine then is the watchdog of a search."""
    given = trainings(setting)
    alone = [trials.by_train(training) for training in given]

    def until_the_others_ended(engine: Engine) -> None:
        while engine.round() or engine.running > 1:
            pass

    one, *others = lanes_of(setting)
    found = trials.in_engine([Hanging(one), *others], given, drive=until_the_others_ended)
    yield {"rows_of_the_one_that_hangs": len(found[0].rows), "others": same(alone[1:], found[1:]), **how(found[1:])}


def elsewhere(setting: Setting) -> Lanes:
    """Broken: what is called does not wait for what was replayed, nor the other way round."""
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
    """Broken: the library's workspace belongs to the stream on which was captured, so two graphs share it."""
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
    """Broken: a graph goes while another of its stream stays, and what both of them use goes with it."""
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
    """Broken: what a graph leaves in between lies where another graph leaves its own."""
    if setting.device == "cuda":
        made = [StreamLane() for _ in range(TRIALS)]
        with made[0].within(), CAPTURING:
            made[0]._pool()
        for lane in made:
            lane._anchor = made[0]._anchor
        return made
    machine, memory = Machine(), torch.zeros(host_graphs.POOL, dtype=torch.uint8)
    return [GraphLane(machine, pool=memory) for _ in KINDS]
