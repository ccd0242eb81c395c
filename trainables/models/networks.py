"""The network of a configuration."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from trainables.config import image_size
from trainables.errors import SpaceError
from trainables.parts import calling
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
    return network
