"""Model the graphs and streams of a GPU on a CPU, to try what could change a trial's bits on a GPU.

A graph is the list of torch operations that were called during its capture, with the tensors that these operations read and
wrote; Python numbers in a graph are frozen. The result of an operation has a place in the pool of its lane. The operations of
a replay wait in the lane's queue. The machine runs one operation of each queue in turn, as a GPU with several streams may. A
product takes two turns, as in cuBLAS where it splits a sum: the first turn writes the product into the lane's workspace, the
second turn copies the product from there.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Generator, Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from trainables.engine.lanes import CAPTURING, Call, HostLane

aten = torch.ops.aten
PRODUCTS = (aten.mm.default, aten.addmm.default)
CHOOSING = (aten.index_select.default, aten.index_select.out)
POOL, WORKSPACE, ALIGNED = 1 << 28, 1 << 24, 64  # bytes; the system allocates only the memory that is used
AT_ONCE = 50  # operations of each queue between two looks at a mark


class Machine:
    """A modelled GPU: the queues of all lanes, and the workspaces that were given back."""

    def __init__(self) -> None:
        self.queues: list[deque[Call]] = []
        self.free: list[Tensor] = []

    def work(self, is_over: Callable[[], bool], most: int | None = None) -> None:
        """Run one operation of each queue in turn, until `is_over` or for at most `most` rounds."""
        with torch.inference_mode():
            while not is_over() and most != 0:
                for queue in self.queues:
                    if queue:
                        queue.popleft()()
                most = None if most is None else most - 1

    def workspace(self) -> Tensor:
        return self.free.pop() if self.free else torch.zeros(WORKSPACE, dtype=torch.uint8)


class GraphLane(HostLane):
    """A lane of the modelled GPU.

    Args:
        pool, workspace: the memory of the lane's graphs; by default the lane's own memory.
    """

    def __init__(self, machine: Machine, pool: Tensor | None = None, workspace: Tensor | None = None) -> None:
        super().__init__(captures=True)
        self.machine, self.workspace, self._done = machine, workspace, 0
        self.pool = torch.zeros(POOL, dtype=torch.uint8) if pool is None else pool
        self.queue: deque[Call] = deque()
        self._given = 0
        machine.queues.append(self.queue)

    def within(self) -> AbstractContextManager[Any]:
        return After(self)

    def capture(self, body: Call, generators: Sequence[Generator]) -> Call:
        if self.workspace is None:
            self.workspace = self.machine.workspace()
        with CAPTURING, Recording(self.pool, self.workspace) as recording:
            body()

        def replay() -> None:
            self._given += len(recording.operations)
            self.queue.extend(recording.operations)

        return replay

    def mark(self) -> Callable[[], bool]:
        mine = self._given

        def is_done() -> bool:
            self.machine.work(lambda: self._done_so_far >= mine, AT_ONCE)
            return self._done_so_far >= mine

        return is_done

    @property
    def _done_so_far(self) -> int:
        return self._given - len(self.queue)

    def wait(self) -> None:
        self.machine.work(lambda: not self.queue)


class After(TorchDispatchMode):
    """A mode in which each called operation first waits until the lane's queue is empty."""

    def __init__(self, lane: GraphLane) -> None:
        super().__init__()
        self._lane = lane

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self._lane.wait()
        return func(*args, **kwargs or {})


class Recording(TorchDispatchMode):
    """A mode that records called operations for a graph.

    The operations are also executed, because later operations need real tensors. The caller of the capture restores what they
    changed.

    Attributes:
        operations: the calls that repeat the recorded operations.
    """

    def __init__(self, pool: Tensor, workspace: Tensor) -> None:
        super().__init__()
        self.operations: list[Call] = []
        self._pool, self._workspace, self._used = pool, workspace, 0
        self._places: dict[int, int] = {}  # bytes from the start of the pool, by the address of a tensor made meanwhile
        self._kept: list[Tensor] = []  # keeps tensors alive, so that no address is used twice

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is aten._local_scalar_dense.default:
            raise RuntimeError("operation not permitted when stream is capturing")
        given = args, kwargs or {}
        there = tree_map_only(Tensor, self._there, given)
        found = func(*within_bounds(func, given[0]), **given[1])
        made = [(place, each) for place, each in enumerate(tree_leaves(found)) if self._is_new(each, given)]
        for _, each in made:
            self._make_place(each)
        targets = [(place, self._there(each)) for place, each in made]
        if targets or func._schema.is_mutable:
            self.operations += steps(func, there, targets, self._workspace)
        return found

    def _is_new(self, value: Any, given: Any) -> bool:
        if not isinstance(value, Tensor) or not value.untyped_storage().nbytes():
            return False
        return address(value) not in {address(each) for each in tree_leaves(given) if isinstance(each, Tensor)}

    def _make_place(self, tensor: Tensor) -> None:
        self._places[address(tensor)] = self._used
        self._kept.append(tensor)
        self._used += -(-tensor.untyped_storage().nbytes() // ALIGNED) * ALIGNED
        if self._used > len(self._pool):
            raise torch.OutOfMemoryError("the pool of a lane is full")

    def _there(self, tensor: Tensor) -> Tensor:
        """The tensor's counterpart in the pool, if the tensor was made during the capture; else the tensor itself."""
        if address(tensor) not in self._places:
            return tensor
        first = self._places[address(tensor)] // tensor.itemsize + tensor.storage_offset()
        empty = torch.empty(0, dtype=tensor.dtype)
        return empty.set_(self._pool.untyped_storage(), first, tensor.shape, tensor.stride())


def within_bounds(func: Any, args: Any) -> Any:
    """Arguments of an operation in a capture, with indices limited to the tensor.

    A capture executes steps that come after the called steps, and an epoch may have no such steps.
    """
    if func not in CHOOSING:
        return args
    values, dim, places = args
    return values, dim, places.clamp(max=values.shape[dim] - 1)


def address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def steps(func: Any, given: Any, targets: Sequence[tuple[int, Tensor]], workspace: Tensor) -> Iterator[Call]:
    """Yield the calls that repeat an operation: one call, or two calls for a product."""

    def results() -> list[Tensor]:
        found = tree_leaves(func(*given[0], **given[1]))
        return [found[place] for place, _ in targets]

    def at_once() -> None:
        for result, (_, target) in zip(results(), targets, strict=True):
            target.copy_(result)

    if func not in PRODUCTS:
        yield at_once
        return
    ((_, target),) = targets
    half = workspace[: target.numel() * target.itemsize].view(target.dtype).view(target.shape)

    def leave() -> None:
        half.copy_(results()[0])

    def fetch() -> None:
        target.copy_(half)

    yield leave
    yield fetch
