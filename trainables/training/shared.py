"""What trials of one process share: the images on their device, and what follows from them and from the seed alone."""

import copy
import functools
import warnings
import weakref
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trainables.config import MODELS
from trainables.data.loading import Dataset, Split
from trainables.models.layers.dropout import Dropout
from trainables.models.networks import build, layout
from trainables.models.speed_net import Whitening
from trainables.seeds import derive
from trainables.training.augmentations import normalise
from trainables.training.definition import Training
from trainables.training.own_random import OwnRandom
from trainables.training.step import Resident

_made: dict[tuple[int, str], "Shared"] = {}


@dataclass(frozen=True, eq=False)
class Shared:
    """Tensors that nobody writes to, on one device.

    Attributes:
        train, val: images uint8 (N, S, S, 3) and labels int64 (N,).
        scale: mean and standard deviation of the pixels, see `normalise`.
    """

    train: Resident
    val: Resident
    scale: tuple[Tensor, Tensor]
    _networks: dict[tuple[Any, ...], nn.Module] = field(default_factory=dict)

    def whiten(self, model: nn.Module) -> None:
        """Set what a network computes from its training images before it is trained; only speed_net has such a layer."""
        for module in model.modules():
            if isinstance(module, Whitening):
                module.filters.copy_(self._filters)

    @functools.cached_property
    def _filters(self) -> Tensor:
        """Those of a whitening layer for these images, which take a host a quarter of a second."""
        layer, images = Whitening(), self.train[0]
        enough = max(1, layer.PATCHES // (images.shape[1] - 1) ** 2)
        some = images[:: -(-len(images) // enough)]  # from all over: a folder of images is sorted by class
        layer.fit(normalise(some, *self.scale))
        filters = layer.filters.to(images.device)
        wait(filters.device)
        return filters

    def untrained(self, training: Training) -> nn.Module:
        """The network of `untrained`, which is built once for each architecture and seed, kept, and copied.

        What else a shipped network reads of its configuration is the probability of dropout; no weight depends on it.
        """
        config = training.config
        if config["model"] not in MODELS:
            return untrained(training)
        key = (training.seed, config["model"], *(config[name] for name in MODELS[config["model"]]))
        if key not in self._networks:
            self._networks[key] = untrained(training)
            wait(self.train[0].device)
        model = copy.deepcopy(self._networks[key])
        for module in model.modules():
            if isinstance(module, Dropout):
                module.p = config["dropout"]
        return model


def shared(data: Dataset, device: str) -> Shared:
    """What trials on these images share: made once, and kept as long as the data set is."""
    key = (id(data), device)
    if key not in _made:
        _made[key] = Shared(resident(data.train, device), resident(data.val, device), pixel_scale(data, device))
        weakref.finalize(data, _made.pop, key, None)
        wait(torch.device(device))
    return _made[key]


def wait(device: torch.device) -> None:
    """Until the device has done what this stream was given: what follows may be read from other streams too."""
    if device.type == "cuda":
        torch.cuda.current_stream(device).synchronize()


def untrained(training: Training) -> nn.Module:
    """The network on its device, with weights that follow from the seed; global random states are left as they were."""
    own = OwnRandom(training.device)
    own.seed(derive(training.seed, "weights"))
    with own:
        model = build(training.config, len(training.data.classes))
    return model.to(training.device).to(memory_format=layout(training.config))


def resident(split: Split, device: str) -> Resident:
    """A split on the device: on the CPU the memory map itself, on a GPU a copy that stays there."""
    return as_tensor(split.images).to(device), as_tensor(split.labels).to(device)


def as_tensor(array: np.ndarray) -> Tensor:
    """A tensor over the memory of an array that nobody writes to."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)


def pixel_scale(data: Dataset, device: str) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the training pixels as `normalise` wants them: 0 to 255, one for each byte of an image."""
    pixels = data.train.images[0].size // 3
    mean, std = (torch.tensor(values, device=device).mul(255).repeat(pixels) for values in (data.mean, data.std))
    return mean, std
