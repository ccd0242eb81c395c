"""Lanes, on which trials run: on a CPU the calling thread; on a GPU one stream, which the lane keeps for good."""

import contextlib
import gc
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch
from torch import Generator

STREAMS = 32  # streams that torch has for a GPU; after the last one torch hands out the first again

Call = Callable[[], None]

CAPTURING = threading.Lock()  # held while a graph is captured; other threads that use the device hold it too
# Held while the global random states are a trial's (OwnRandom). Threads that draw, or save and restore the states, hold it too.
DRAWING = threading.Lock()


class Lane(Protocol):
    """A place where the work of one trial at a time runs.

    Attributes:
        captures: whether work on this lane can be captured and then replayed.
    """

    captures: bool

    def within(self) -> AbstractContextManager[Any]:
        """Run the work that is given to the device in this block on this lane, in the order in which it is given."""

    def capture(self, body: Call, generators: Sequence[Generator]) -> Call:
        """Capture the body's work, and return a call that does this work again.

        On a GPU the capture runs the body's Python once and changes no number, and the returned call needs no Python.
        """

    def mark(self) -> Callable[[], bool]:
        """Return a function that tells whether all work given to this lane so far is done."""

    def retries(self) -> int:
        """How often so far an allocation on the device failed and was tried again."""

    def release(self) -> None:
        """Give unused memory back to the device."""


class HostLane:
    """A lane on the CPU: a call is done when it returns.

    Args:
        captures: whether pieces are captured, compared and replayed as on a GPU; a replay then calls the body again.
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
        """Do nothing: the CPU's allocator gives memory back by itself."""


class StreamLane:
    """A stream of a GPU for as long as the process lives, and a memory pool for the graphs captured on this stream.

    All graphs of a lane share the pool. This is safe, because graphs are replayed one after another, and no number passes
    from one graph to the next through the pool.
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
        """The memory pool of all graphs captured here since `release` last gave the pool back."""
        if self._anchor is None:
            self._anchor = captured_nothing(())
        return self._anchor.pool()

    def _abandon(self, graph: torch.cuda.CUDAGraph, generators: Sequence[Generator]) -> None:
        """End a capture that an error cut short, so that the device and the generators can be used again."""
        self._failed.append(graph)  # torch may go on asking this graph where memory belongs
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
        """Give unused memory back, and the pool too; no graph in the pool may be left.

        The pool is as large as the largest trial on this lane made it.
        """
        self._anchor = None
        torch.cuda.empty_cache()


def registered(generators: Sequence[Generator]) -> torch.cuda.CUDAGraph:
    """A new graph that is not captured yet, with the generators that the captured work will draw from."""
    graph = torch.cuda.CUDAGraph()
    for generator in generators:
        graph.register_generator_state(generator)
    return graph


def captured_nothing(generators: Sequence[Generator]) -> torch.cuda.CUDAGraph:
    """Capture a graph that is never replayed, with its own memory pool, on the current stream."""
    number, graph = torch.zeros(1, device="cuda"), registered(generators)
    torch.cuda.current_stream().synchronize()
    graph.capture_begin(capture_error_mode="thread_local")
    number + 1  # torch would warn of an empty graph
    graph.capture_end()
    return graph


@contextlib.contextmanager
def without_collection() -> Iterator[None]:
    """Collect no garbage in this block: during a capture a collection could give graphs and memory back."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def lanes(device: str, count: int) -> list[Lane]:
    """Make `count` lanes on a device; on a GPU no two lanes share a stream.

    Raises:
        ValueError: the GPU has too few streams, or other parts of the process use some of them.
    """
    if device == "cpu":
        return [HostLane() for _ in range(count)]
    if count > STREAMS:
        raise ValueError(f"{count} slots on a GPU: torch has {STREAMS} streams for one")
    made = [StreamLane() for _ in range(count)]
    if len({lane.stream.cuda_stream for lane in made}) < count:
        raise ValueError(f"{count} slots on a GPU: other parts of this process use streams of it")
    return list(made)
