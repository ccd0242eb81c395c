"""Random numbers for parts that know nothing of a trial's generators: the global ones of torch, numpy and Python, lent to them.

A user's network with `nn.Dropout` draws from torch's global random state. While it runs, that state is the trial's own; outside
it is whose it was. So its trials repeat bit for bit too, and trials that take turns in one process do not meet.
"""

import random
from types import TracebackType
from typing import Any

import numpy as np
import torch


class OwnRandom:
    """`with own:` the global random states are the trial's. `seed` begins them anew; the trial does so at each epoch."""

    def __init__(self, device: str) -> None:
        self._on_gpu = device == "cuda"
        self._mine = self._theirs = self._now()

    def seed(self, seed: int) -> None:
        """Begin anew from a seed (63 bits)."""
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
