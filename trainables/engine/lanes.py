"""Where the work of a slot runs: on a CPU in the thread that asks, on a GPU on one stream, which is the slot's for good."""

import contextlib
import gc
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch
from torch import Generator

STREAMS = 32  # that torch has for a GPU; the next one it hands out is the first again

Call = Callable[[], None]

CAPTURING = threading.Lock()  # held while a graph is captured; other threads that use the device hold it too
# Held while the global random states are a trial's (OwnRandom); other threads that draw, or keep and put back, hold it too.
DRAWING = threading.Lock()


class Lane(Protocol):
    """Attributes: captures: whether work can be captured here, and then be replayed."""

    captures: bool

    def within(self) -> AbstractContextManager[Any]:
        """What is given to the device inside goes here, in the order in which it is given."""

    def capture(self, body: Call, generators: Sequence[Generator]) -> Call:
        """What does the body's work again, without Python; the body runs once for its Python alone, no number changes."""

    def mark(self) -> Callable[[], bool]:
        """What tells whether all that was given so far is done."""

    def retries(self) -> int:
        """How often memory of the device was short so far, and was found after all."""

    def release(self) -> None:
        """Give memory that nothing uses back to the device."""


class HostLane:
    """A CPU: a call is done when it comes back.

    Args:
        captures: whether to go the way of a GPU all the same; what is captured is then called when it is replayed.
    """

    def __init__(self, captures: bool = False) -> None:
        self.captures = captures

    def within(self) -> AbstractContextManager[Any]:
        return contextlib.nullcontext()

    def capture(self, body: Call, generators: Sequence[Generator]) -> Call:
        return body

    def mark(self) -> Callable[[], bool]:
        return lambda: True

    def retries(self) -> int:
        return 0

    def release(self) -> None:
        """An allocator of the host's does that by itself."""


class StreamLane:
    """A stream of a GPU for as long as the process lives, and a pool of memory for what is captured on it.

    All graphs of a lane share the pool: they are replayed one after another, and no number goes from one to the next in it.
    """

    captures = True

    def __init__(self) -> None:
        self.stream = torch.cuda.Stream()
        self._anchor: torch.cuda.CUDAGraph | None = None  # a pool ends with its last graph, so this one stays
        self._failed: list[torch.cuda.CUDAGraph] = []

    def within(self) -> AbstractContextManager[Any]:
        return torch.cuda.stream(self.stream)

    def capture(self, body: Call, generators: Sequence[Generator]) -> Call:
        graph = registered(generators)
        with CAPTURING, without_collection():
            pool = self._pool()
            try:
                graph.capture_begin(pool=pool, capture_error_mode="thread_local")
                body()
                graph.capture_end()
            except BaseException:
                self._abandon(graph, generators)
                raise
        return graph.replay

    def _pool(self) -> Any:
        """That of all graphs captured here since it was last given back."""
        if self._anchor is None:
            self._anchor = captured_nothing(())
        return self._anchor.pool()

    def _abandon(self, graph: torch.cuda.CUDAGraph, generators: Sequence[Generator]) -> None:
        """End a capture that an error cut short, so that the device and the generators can be used again."""
        self._failed.append(graph)  # torch may go on asking it where memory belongs
        with contextlib.suppress(RuntimeError):
            graph.capture_end()
            return
        with contextlib.suppress(RuntimeError, AttributeError):  # torch leaves the allocator in the capture
            torch._C._cuda_endAllocateToPool(torch.cuda.current_device(), self._pool())
        with contextlib.suppress(
            RuntimeError
        ):  # and all generators, the default one too: a good capture brings them back
            captured_nothing(generators)

    def mark(self) -> Callable[[], bool]:
        event = torch.cuda.Event()
        event.record(self.stream)
        return event.query

    def retries(self) -> int:
        found: int = torch.cuda.memory_stats_as_nested_dict().get("num_alloc_retries", 0)
        return found

    def release(self) -> None:
        """The pool too, which is as large as the largest trial here made it; no graph of it may be left."""
        self._anchor = None
        torch.cuda.empty_cache()


def registered(generators: Sequence[Generator]) -> torch.cuda.CUDAGraph:
    """A graph to be captured, with the generators that it draws from."""
    graph = torch.cuda.CUDAGraph()
    for generator in generators:
        graph.register_generator_state(generator)
    return graph


def captured_nothing(generators: Sequence[Generator]) -> torch.cuda.CUDAGraph:
    """A graph with a pool of its own that is never replayed, captured on the current stream."""
    number, graph = torch.zeros(1, device="cuda"), registered(generators)
    torch.cuda.current_stream().synchronize()
    graph.capture_begin(capture_error_mode="thread_local")
    number + 1  # one that is empty would be warned of
    graph.capture_end()
    return graph


@contextlib.contextmanager
def without_collection() -> Iterator[None]:
    """No garbage is collected: in a capture that could give graphs and memory back."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def lanes(device: str, count: int) -> list[Lane]:
    """So many lanes of a device, no two of which are one stream.

    Raises:
        ValueError: a GPU has fewer.
    """
    if device == "cpu":
        return [HostLane() for _ in range(count)]
    if count > STREAMS:
        raise ValueError(f"{count} slots on a GPU: torch has {STREAMS} streams for one")
    made = [StreamLane() for _ in range(count)]
    if len({lane.stream.cuda_stream for lane in made}) < count:
        raise ValueError(f"{count} slots on a GPU: other parts of this process use streams of it")
    return list(made)
