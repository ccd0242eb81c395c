"""The network of a configuration."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from trainables.config import image_size
from trainables.errors import SpaceError
from trainables.parts import calling, named
from trainables.parts.family import MODEL


def build(config: Mapping[str, Any], classes: int) -> nn.Module:
    """The untrained network of a configuration: normalised images in as (N, 3, S, S) floats, logits out as (N, classes).

    Its weights come from torch's global random state.

    Raises:
        SpaceError: the part makes something else than a network.
    """
    network = calling.model(config, classes, image_size(config))
    if not isinstance(network, nn.Module):
        raise SpaceError(f"{calling.chosen(MODEL, config)} returns a {type(network).__name__}, not an nn.Module.")
    if layout(config) is torch.contiguous_format:
        network.register_forward_pre_hook(contiguous)
    return network


def layout(config: Mapping[str, Any]) -> torch.memory_format:
    """How images and weights lie in memory: channels last, unless a network of the user's has `channels_last = False`."""
    part = named.load(MODEL, calling.chosen(MODEL, config))
    return torch.channels_last if getattr(part, "channels_last", True) else torch.contiguous_format


def contiguous(_: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
    """What the network is called with, one channel after the other in memory."""
    images, *rest = given
    return images.contiguous(), *rest
