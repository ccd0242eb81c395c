"""Parameters and arithmetic of any network, found on torch's meta device: shapes without numbers."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from trainables.config import image_size
from trainables.models.networks import build


def measure(config: Mapping[str, Any], classes: int) -> tuple[int, int]:
    """Trainable parameters, and FLOPs of one image; those are 0 where it does with its input what needs numbers.

    Raises:
        SpaceError: it cannot be built.
    """
    return measured(json.dumps(dict(config)), classes)


@lru_cache(maxsize=4096)
def measured(config: str, classes: int) -> tuple[int, int]:
    """The same, by the text of the configuration."""
    read = json.loads(config)
    network = on_meta(read, classes)
    return sum(each.numel() for each in network.parameters() if each.requires_grad), arithmetic(
        network, image_size(read)
    )


def on_meta(config: Mapping[str, Any], classes: int) -> nn.Module:
    """The network without numbers; torch's random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        try:
            with torch.device("meta"):
                return build(config, classes)
        except (NotImplementedError, RuntimeError):  # numbers are looked at while it is built
            return build(config, classes).to("meta")


def arithmetic(network: nn.Module, size: int) -> int:
    """FLOPs of one image of (3, size, size)."""
    counter = FlopCounterMode(display=False)
    try:
        with counter, torch.no_grad():
            network.eval()(torch.zeros(1, 3, size, size, device="meta"))
    except Exception:  # whatever a network does that needs numbers: its size is known all the same
        return 0
    return int(counter.get_total_flops())
