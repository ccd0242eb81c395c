"""AdamW (Loshchilov & Hutter 2019); `momentum` is its first beta."""

from collections.abc import Iterable
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from trainables.parts.bounds import above, between


def adamw(
    model: nn.Module,
    lr: Annotated[float, above(0, 1e12)] = 0.1,
    momentum: Annotated[float, between(0, 0.9999)] = 0.9,
    weight_decay: Annotated[float, between(0, 1e12)] = 5e-4,
) -> torch.optim.Optimizer:
    """AdamW over all weights; `momentum` is its first beta, and its second beta is 0.999."""
    return fused(model.parameters(), lr, betas=(momentum, 0.999), weight_decay=weight_decay)


def fused(weights: Iterable[Tensor], lr: float, **settings: Any) -> torch.optim.AdamW:
    """torch's AdamW in its fused form. On a GPU it is capturable: its step counter lies on the GPU."""
    weights = list(weights)
    return torch.optim.AdamW(weights, lr, **settings, fused=True, capturable=weights[0].is_cuda)
