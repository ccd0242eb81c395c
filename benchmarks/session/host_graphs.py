"""Graphs and streams of a GPU, modelled on a CPU: what could break the same bits there can be tried here.

A graph is the list of torch's operations that were called while it was captured, with the tensors that they read and wrote;
numbers of Python's in it are frozen. What an operation leaves has a place in the pool of its lane. The operations of a replay
wait in the lane's queue, and the machine does one of each queue in turn, as a GPU with several streams may. A product takes two
turns: the first leaves it in the lane's workspace, the second fetches it from there, as cuBLAS does where it splits a sum.
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
POOL, WORKSPACE, ALIGNED = 1 << 28, 1 << 24, 64  # bytes; the system gives what is used of them
AT_ONCE = 50  # operations of each queue between two looks at a mark


class Machine:
    """The queues of all lanes, and workspaces that somebody gave back."""

    def __init__(self) -> None:
        self.queues: list[deque[Call]] = []
        self.free: list[Tensor] = []

    def work(self, is_over: Callable[[], bool], most: int | None = None) -> None:
        """Do an operation of each queue in turn, until it is over or so many rounds were done."""
        with torch.inference_mode():
            while not is_over() and most != 0:
                for queue in self.queues:
                    if queue:
                        queue.popleft()()
                most = None if most is None else most - 1

    def workspace(self) -> Tensor:
        return self.free.pop() if self.free else torch.zeros(WORKSPACE, dtype=torch.uint8)


class GraphLane(HostLane):
    """A lane of the machine.

    Args:
        pool, workspace: memory of its graphs; its own, unless they are given.
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
    """What is called comes after all that the lane was given."""

    def __init__(self, lane: GraphLane) -> None:
        super().__init__()
        self._lane = lane

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self._lane.wait()
        return func(*args, **kwargs or {})


class Recording(TorchDispatchMode):
    """What is called meanwhile is done, because operations need real tensors; whoever captures puts back what it changed.

    Attributes:
        operations: what does again what was called.
    """

    def __init__(self, pool: Tensor, workspace: Tensor) -> None:
        super().__init__()
        self.operations: list[Call] = []
        self._pool, self._workspace, self._used = pool, workspace, 0
        self._places: dict[int, int] = {}  # bytes from the start of the pool, by the address of what was made meanwhile
        self._kept: list[Tensor] = []  # so that no address comes twice

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
        """The same tensor in the pool, if it was made meanwhile."""
        if address(tensor) not in self._places:
            return tensor
        first = self._places[address(tensor)] // tensor.itemsize + tensor.storage_offset()
        empty = torch.empty(0, dtype=tensor.dtype)
        return empty.set_(self._pool.untyped_storage(), first, tensor.shape, tensor.stride())


def within_bounds(func: Any, args: Any) -> Any:
    """Arguments for a capture: it does the steps that come after those of the call, of which an epoch may have no more."""
    if func not in CHOOSING:
        return args
    values, dim, places = args
    return values, dim, places.clamp(max=values.shape[dim] - 1)


def address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def steps(func: Any, given: Any, targets: Sequence[tuple[int, Tensor]], workspace: Tensor) -> Iterator[Call]:
    """What an operation does, in one turn or two."""

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
