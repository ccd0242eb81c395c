"""Parameters and FLOPs of any network, counted on torch's meta device, where tensors have shapes but no values."""

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
    """Trainable parameters, and FLOPs of one image. FLOPs are 0 if the forward pass fails without the values of tensors.

    Raises:
        SpaceError: the network cannot be built.
    """
    return measured(json.dumps(dict(config)), classes)


@lru_cache(maxsize=4096)
def measured(config: str, classes: int) -> tuple[int, int]:
    """The result of `measure`, cached by the JSON text of the configuration."""
    read = json.loads(config)
    network = on_meta(read, classes)
    return sum(each.numel() for each in network.parameters() if each.requires_grad), arithmetic(
        network, image_size(read)
    )


def on_meta(config: Mapping[str, Any], classes: int) -> nn.Module:
    """The network of a configuration on the meta device. torch's random state on the CPU is left as it was."""
    with torch.random.fork_rng(devices=[]):
        try:
            with torch.device("meta"):
                return build(config, classes)
        except (NotImplementedError, RuntimeError):  # its constructor needs the values of tensors
            return build(config, classes).to("meta")


def arithmetic(network: nn.Module, size: int) -> int:
    """FLOPs of one image (3, size, size); 0 if the forward pass fails on the meta device."""
    counter = FlopCounterMode(display=False)
    try:
        with counter, torch.no_grad():
            network.eval()(torch.zeros(1, 3, size, size, device="meta"))
    except Exception:  # the network needs the values of tensors; its parameters are known all the same
        return 0
    return int(counter.get_total_flops())
