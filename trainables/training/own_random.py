"""Give a trial its own global random states of torch, numpy and Python, for parts that draw from these.

A user's network with `nn.Dropout` draws from torch's global random state. While such a part runs, the global states are
replaced by the trial's own; afterwards the former states are put back. So trials with such parts can repeat bit for bit too.
Trials that take turns in one process do not change each other's random numbers.
"""

import random
from types import TracebackType
from typing import Any

import numpy as np
import torch


class OwnRandom:
    """In a `with own:` block the global random states are the trial's. The trial calls `seed` at each epoch."""

    def __init__(self, device: str) -> None:
        self._on_gpu = device == "cuda"
        self._mine = self._theirs = self._now()

    def seed(self, seed: int) -> None:
        """Set the trial's states from a seed (63 bits). The global states outside the trial stay as they are."""
        theirs = self._now()
        random.seed(seed)
        np.random.seed(seed % (1 << 32))  # the global state that a user's code may draw from
        torch.default_generator.manual_seed(seed)
        if self._on_gpu:
            torch.cuda.manual_seed(seed)
        self._mine = self._now()
        self._put(theirs)

    def __enter__(self) -> None:
        self._theirs = self._now()
        self._put(self._mine)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._mine = self._now()
        self._put(self._theirs)

    def _now(self) -> tuple[Any, ...]:
        gpu = torch.cuda.get_rng_state() if self._on_gpu else None
        return random.getstate(), np.random.get_state(), torch.get_rng_state(), gpu

    def _put(self, states: tuple[Any, ...]) -> None:
        pythons, numpys, torchs, gpu = states
        random.setstate(pythons)
        np.random.set_state(numpys)
        torch.set_rng_state(torchs)
        if gpu is not None:
            torch.cuda.set_rng_state(gpu)
