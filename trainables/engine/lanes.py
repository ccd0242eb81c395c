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
    """A stream of a GPU and a pool of memory for what is captured on it, both for as long as the process lives.

    All graphs of a lane share the pool: they are replayed one after another, and no number goes from one to the next in it.
    """

    captures = True

    def __init__(self) -> None:
        self.stream = torch.cuda.Stream()
        with self.within():
            self._anchor = torch.cuda.CUDAGraph()  # a pool ends with its last graph, so this one stays
            something = torch.zeros(1, device="cuda")
            self.stream.synchronize()
            self._anchor.capture_begin(capture_error_mode="thread_local")
            self._kept = something + 1
            self._anchor.capture_end()
        self._failed: list[torch.cuda.CUDAGraph] = []

    def within(self) -> AbstractContextManager[Any]:
        return torch.cuda.stream(self.stream)

    def capture(self, body: Call, generators: Sequence[Generator]) -> Call:
        graph = torch.cuda.CUDAGraph()
        for generator in generators:
            graph.register_generator_state(generator)
        with CAPTURING, without_collection():
            graph.capture_begin(pool=self._anchor.pool(), capture_error_mode="thread_local")
            try:
                body()
            except BaseException:
                self._abandon(graph)
                raise
            graph.capture_end()
        return graph.replay

    def _abandon(self, graph: torch.cuda.CUDAGraph) -> None:
        """End a capture that an error cut short, so that the device can be used again."""
        self._failed.append(graph)  # torch may go on asking it where memory belongs
        with contextlib.suppress(RuntimeError):
            graph.capture_end()
            return
        with contextlib.suppress(RuntimeError, AttributeError):  # torch leaves the allocator in the capture
            torch._C._cuda_endAllocateToPool(torch.cuda.current_device(), self._anchor.pool())
        with contextlib.suppress(RuntimeError):  # and the default generator, which the next good capture brings back
            again = torch.cuda.CUDAGraph()
            again.capture_begin(capture_error_mode="thread_local")
            self._kept.add_(1)
            again.capture_end()

    def mark(self) -> Callable[[], bool]:
        event = torch.cuda.Event()
        event.record(self.stream)
        return event.query

    def retries(self) -> int:
        found: int = torch.cuda.memory_stats().get("num_alloc_retries", 0)
        return found

    def release(self) -> None:
        torch.cuda.empty_cache()


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
