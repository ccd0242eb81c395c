"""Tensors that trials of one process share: the images on the device, and values computed from images and seed alone."""

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
    """Tensors on one device that all trials read and no trial changes.

    Attributes:
        train, val: images uint8 (N, S, S, 3) and labels int64 (N,).
        scale: mean and standard deviation of the pixels, see `normalise`.
    """

    train: Resident
    val: Resident
    scale: tuple[Tensor, Tensor]
    _networks: dict[tuple[Any, ...], nn.Module] = field(default_factory=dict)

    def whiten(self, model: nn.Module) -> None:
        """Set the filters of whitening layers from the training images, before training. Only speed_net has such a layer."""
        for module in model.modules():
            if isinstance(module, Whitening):
                module.filters.copy_(self._filters)

    @functools.cached_property
    def _filters(self) -> Tensor:
        """The filters of a whitening layer for these images. They are computed once, because a CPU needs 0.25 seconds."""
        layer, images = Whitening(), self.train[0]
        enough = max(1, layer.PATCHES // (images.shape[1] - 1) ** 2)
        some = images[:: -(-len(images) // enough)]  # from all over: a folder of images is sorted by class
        layer.fit(normalise(some, *self.scale))
        filters = layer.filters.to(images.device)
        wait(filters.device)
        return filters

    def untrained(self, training: Training) -> nn.Module:
        """A network equal to that of the function `untrained`: built once for each architecture and seed, kept, and copied.

        The dropout probability is set in the copy, because no weight of a built-in network depends on it. Networks that are
        not built in are built anew each time.
        """
        config = training.config
        if config["model"] not in MODELS:
            return untrained(training)
        key = (training.seed, config["model"], *(config[name] for name in MODELS[config["model"]] if name != "dropout"))
        if key not in self._networks:
            self._networks[key] = untrained(training)
            wait(self.train[0].device)
        model = copy.deepcopy(self._networks[key])
        for module in model.modules():
            if isinstance(module, Dropout):
                module.p = config["dropout"]
        return model


def shared(data: Dataset, device: str) -> Shared:
    """The Shared tensors of a data set on a device: made once, and kept as long as the data set exists."""
    key = (id(data), device)
    if key not in _made:
        _made[key] = Shared(resident(data.train, device), resident(data.val, device), pixel_scale(data, device))
        weakref.finalize(data, _made.pop, key, None)
        wait(torch.device(device))
    return _made[key]


def wait(device: torch.device) -> None:
    """Wait until the device has finished the work of this stream. After that other streams may read its results."""
    if device.type == "cuda":
        torch.cuda.current_stream(device).synchronize()


def untrained(training: Training) -> nn.Module:
    """The untrained network on its device, with weights drawn from the seed. Global random states are left unchanged."""
    own = OwnRandom(training.device)
    own.seed(derive(training.seed, "weights"))
    with own:
        model = build(training.config, len(training.data.classes))
    return model.to(training.device).to(memory_format=layout(training.config))


def resident(split: Split, device: str) -> Resident:
    """A split as tensors on the device: on the CPU over the arrays' own memory, on a GPU a copy."""
    return as_tensor(split.images).to(device), as_tensor(split.labels).to(device)


def as_tensor(array: np.ndarray) -> Tensor:
    """A tensor that shares the memory of an array. Nobody may write to the tensor if the array is read-only."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)


def pixel_scale(data: Dataset, device: str) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the training pixels for `normalise`: (S * S * 3,) each, on the scale 0 to 255."""
    pixels = data.train.images[0].size // 3
    mean, std = (torch.tensor(values, device=device).mul(255).repeat(pixels) for values in (data.mean, data.std))
    return mean, std
