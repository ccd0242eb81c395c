"""Build the network of a configuration."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from trainables.config import image_size
from trainables.errors import SpaceError
from trainables.parts import calling, named
from trainables.parts.family import MODEL


def build(config: Mapping[str, Any], classes: int) -> nn.Module:
    """The untrained network of a configuration. It maps normalised images, float (N, 3, S, S), to logits (N, classes).

    Its weights are drawn from torch's global random state.

    Raises:
        SpaceError: the model part does not return an nn.Module.
    """
    network = calling.model(config, classes, image_size(config))
    if not isinstance(network, nn.Module):
        raise SpaceError(f"{calling.chosen(MODEL, config)} returns a {type(network).__name__}, not an nn.Module.")
    if layout(config) is torch.contiguous_format:
        network.register_forward_pre_hook(contiguous)
    return network


def layout(config: Mapping[str, Any]) -> torch.memory_format:
    """The memory format of images and weights: channels last, unless a user's network has `channels_last = False`."""
    part = named.load(MODEL, calling.chosen(MODEL, config))
    return torch.channels_last if getattr(part, "channels_last", True) else torch.contiguous_format


def contiguous(_: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
    """A forward pre-hook that makes the images contiguous in memory (channels first)."""
    images, *rest = given
    return images.contiguous(), *rest
