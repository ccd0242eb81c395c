"""The repeated pieces of a trial's work: each is called, captured as a graph, compared with its call, then replayed."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Generator, Tensor

from trainables.engine.lanes import DRAWING, Call, Lane
from trainables.seeds import derive
from trainables.training.average import tensors
from trainables.training.device_errors import is_out_of_memory, is_starved
from trainables.training.loop import Course
from trainables.training.optimizers import states

OWN = "parts of the user's own may draw from torch's global random states"
Beat = bool  # True: the device was given work; False: it has to be waited for


class Pieces:
    """The pieces of one trial on one lane.

    Args:
        is_alone: no other trial has memory of the device, so an allocation that was tried again is no error.

    Attributes:
        eager: why pieces are called and not replayed; None while every graph gave the numbers of its call, and on a lane that
            captures nothing.
        captured: how many graphs can be replayed.
    """

    def __init__(self, course: Course, lane: Lane, is_alone: bool = False) -> None:
        self.course, self.lane, self._is_alone = course, lane, is_alone
        self.eager = OWN if lane.captures and course.step.own else None
        self._replays: dict[tuple[Any, ...], Call] = {}
        self._called: set[tuple[Any, ...]] = set()  # pieces that were called and not captured
        self._apart = Apart(derive(course.training.seed, "eager"))

    @property
    def captured(self) -> int:
        return len(self._replays)

    def train(self, sizes: tuple[int, ...], follows: bool, is_rare: bool = False) -> Iterator[Beat]:
        """Do steps with batches of these sizes; then the weight average moves if `follows`.

        Args:
            is_rare: the piece comes once in an epoch.
        """
        course = self.course
        average = course.average if follows else None

        def body() -> None:
            for size in sizes:
                course.step(size)
            if average:
                average.follow(len(sizes))

        def changing() -> dict[str, Tensor]:
            mean = tensors(average.model) if average else []
            step = [course.step.number, course.step.rates, course.step.totals]
            return named(weight=tensors(course.model), mean=mean, step=step) | states(course.optimizer)

        return self._run(("train", sizes, follows), body, changing, is_rare)

    def evaluate(self) -> Iterator[Beat]:
        """Validate the network, and leave the results of the epoch on the device."""
        course = self.course
        results = [course.report, course.predicted]
        return self._run(("evaluate",), course.evaluate, lambda: named(result=results), is_rare=True)

    def _run(
        self, key: tuple[Any, ...], body: Call, changing: Callable[[], dict[str, Tensor]], is_rare: bool
    ) -> Iterator[Beat]:
        """Replay the graph of a piece, capture the piece, or only call it.

        A rare piece is captured when it comes again, because most trials of a search are stopped before that. The pieces of a
        trial with a user's own parts are always called, because such parts may draw from global random states.
        """
        if key in self._replays and not self.eager:
            self._replays[key]()
            yield True
        elif self.lane.captures and not self.eager and not (is_rare and key not in self._called):
            yield from self._first(key, body, changing)
        else:
            self._called.add(key)
            with self._with_enough_memory():
                self._call(body)
            yield True

    def _call(self, body: Call) -> None:
        """Call the body. If it may draw from global random states, restore these states afterwards."""
        if self.course.step.own:
            with DRAWING:
                body()
        elif self.eager:
            with DRAWING, self._apart.within():
                body()
        else:
            body()

    @contextlib.contextmanager
    def _with_enough_memory(self) -> Iterator[None]:
        """Check that the work in this block gets all the memory that it asks for at the first try.

        Raises:
            torch.OutOfMemoryError: memory ran out, or, beside other trials, an allocation was tried again: a library that is
                refused memory takes another algorithm and does not say so.
        """
        retries = self.lane.retries()
        yield
        if self.lane.retries() != retries and not self._is_alone:
            raise torch.OutOfMemoryError("memory was short for a moment, beside other trials")

    def _first(self, key: tuple[Any, ...], body: Call, changing: Callable[[], dict[str, Tensor]]) -> Iterator[Beat]:
        """Call a piece, capture it, replay it from the same start, and compare; the numbers of the call stay."""
        drawn = [self.course.step.images, self.course.step.dropout]
        before = Moment(changing(), drawn)
        with self._with_enough_memory():
            body()
        yield True
        now = changing()
        after = Moment(now, drawn)
        try:
            with self._with_enough_memory():
                replay = self.lane.capture(body, after.drew_since(before))
        except RuntimeError as error:
            if is_out_of_memory(error) or is_starved(error):
                raise
            after.restore(now)
            self.eager = f"{key[0]}: {(str(error).splitlines() or ['it cannot be captured'])[0]}"
            return
        before.restore(now)
        replay()
        again = Moment(now, drawn)
        differs = after.unlike(again)
        after.restore(now)
        yield from until(self.lane.mark())
        if differs.item() or after.drew_since(again):
            self.eager = f"{key[0]}: a replay had other numbers than the call"
        else:
            self._replays[key] = replay


def until(is_done: Callable[[], bool]) -> Iterator[Beat]:
    """Wait until `is_done` returns True, and let other trials work meanwhile."""
    while not is_done():
        yield False


class Moment:
    """A copy of tensors and of the states of random generators, as they are now."""

    def __init__(self, changing: Mapping[str, Tensor], generators: list[Generator]) -> None:
        self._names = {kind: list(some) for kind, some in by_kind(changing).items()}
        self._blocks = {
            kind: torch.cat([flat(each) for each in some.values()]) for kind, some in by_kind(changing).items()
        }
        self._generators = [(each, each.get_state()) for each in generators]

    def drew_since(self, before: "Moment") -> list[Generator]:
        """The generators whose state has changed since `before`."""
        pairs = zip(self._generators, before._generators, strict=True)
        return [generator for (generator, now), (_, then) in pairs if not torch.equal(now, then)]

    @torch.no_grad()
    def restore(self, changing: Mapping[str, Tensor]) -> None:
        """Set tensors and generators back to this moment; a tensor that did not exist then becomes zero.

        The state of an optimizer, for example, does not exist before its first step.
        """
        known: set[str] = set()
        for kind, block in self._blocks.items():
            places = [flat(changing[name]) for name in self._names[kind]]
            torch._foreach_copy_(places, list(block.split([place.numel() for place in places])))
            known.update(self._names[kind])
        for name, each in changing.items():
            if name not in known:
                each.zero_()
        for generator, state in self._generators:
            generator.set_state(state)

    def unlike(self, other: "Moment") -> Tensor:
        """Whether a number differs: bool (), on the device. NaN counts as equal to NaN, and 0 as equal to -0."""
        return torch.stack([unlike(block, other._blocks[kind]).any() for kind, block in self._blocks.items()]).any()


def unlike(one: Tensor, two: Tensor) -> Tensor:
    """Where two tensors of one shape differ: bool of that shape. NaN counts as equal to NaN."""
    differs = one != two
    return differs & ~(one.isnan() & two.isnan()) if one.is_floating_point() else differs


def named(**groups: list[Tensor]) -> dict[str, Tensor]:
    """Each tensor under the name of its group and its place in the group."""
    return {f"{group} {place}": each for group, some in groups.items() for place, each in enumerate(some)}


def by_kind(changing: Mapping[str, Tensor]) -> dict[torch.dtype, dict[str, Tensor]]:
    """Group named tensors by their data type."""
    found: dict[torch.dtype, dict[str, Tensor]] = {}
    for name, each in changing.items():
        found.setdefault(each.dtype, {})[name] = each
    return found


def flat(tensor: Tensor) -> Tensor:
    """The numbers of a dense tensor in the order in which they lie in memory, without a copy.

    Raises:
        RuntimeError: the tensor has gaps, or elements that share memory.
    """
    expected = 1
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size != 1 and stride != expected:
            raise RuntimeError(f"a tensor of shape {tuple(tensor.shape)} is not dense: strides {tensor.stride()}")
        expected *= size
    return tensor.detach().as_strided((tensor.numel(),), (1,))


class Apart:
    """Global random states of torch for one trial alone: its draws change no random number of others or the process."""

    def __init__(self, seed: int) -> None:
        self._seed: int | None = seed
        self._states: tuple[Any, Any] = (None, None)

    @contextlib.contextmanager
    def within(self) -> Iterator[None]:
        outer = global_states()
        if self._seed is not None:
            torch.manual_seed(self._seed)
            self._seed = None
        else:
            set_global_states(self._states)
        try:
            yield
        finally:
            self._states = global_states()
            set_global_states(outer)


def global_states() -> tuple[Tensor, Tensor | None]:
    """torch's random states of the CPU and of the current GPU; None in place of the latter if no GPU is used."""
    return torch.get_rng_state(), torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None


def set_global_states(states: tuple[Tensor, Tensor | None]) -> None:
    torch.set_rng_state(states[0])
    if states[1] is not None:
        torch.cuda.set_rng_state(states[1])
