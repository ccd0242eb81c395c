"""gp: the next point by a Gaussian process over finished trials and the logarithm of the expected improvement.

Optuna's GPSampler takes running trials into account, and values may be noisy. The sampler looks at parameters that apply to
every point; parameters that depend on others are drawn at random.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from search.algorithms.ask_tell import Sampled
from search.algorithms.base import Told
from spaces import Point, Space
from trainables.objective import Objective

if TYPE_CHECKING:
    import optuna


class Gp(Sampled):
    """Optuna's GPSampler, except that a trial that was stopped early counts as finished, with its best value so far."""

    libraries = ("optuna", "scipy", "torch", "numpy")

    def sampler(self, seed: int) -> "optuna.samplers.BaseSampler":
        from optuna.samplers import GPSampler

        return GPSampler(seed=seed)

    def told(self, trial: Told) -> Told:
        return replace(trial, status="finished") if trial.status == "stopped" and trial.values else trial

    def suggest(self, space: Space, seed: int, index: int, told: Sequence[Told], objective: Objective) -> Point:
        with one_thread():
            return super().suggest(space, seed, index, told, objective)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread: the number of threads decides the last bits of a sum, and so which point is drawn."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


ALGORITHM = Gp()
