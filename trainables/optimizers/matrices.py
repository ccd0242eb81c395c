"""Muon (Jordan et al. 2024): momentum whose matrix is made orthogonal before it is added to the weights.

torch has one, which reads a rate that is a tensor back from the device at every step. The arithmetic here is the same.
"""

import math
from collections.abc import Iterable

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic whose slope at zero is largest
ITERATIONS = 5
SMALLEST = 1e-7  # norm that a matrix is divided by


class Muon(torch.optim.Optimizer):
    """Of weights with two dimensions, or of convolutions, whose matrix has a row for each output channel.

    Nesterov momentum; a step is longer by sqrt(rows / columns) where there are more rows. The rate of a group may be a number or
    a tensor on the weights' device.
    """

    def __init__(self, weights: Iterable[Tensor], lr: float, momentum: float, weight_decay: float) -> None:
        super().__init__(weights, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            rate = torch.as_tensor(group["lr"])
            kept = 1 - rate * group["weight_decay"]
            for weight in group["params"]:
                update = self.momentum(weight, group["momentum"])
                matrix = as_rows(weight)
                longer = math.sqrt(max(1, matrix.shape[0] / matrix.shape[1]))
                matrix.mul_(kept).addcmul_(orthogonal(update), rate, value=-longer)

    def momentum(self, weight: Tensor, share: float) -> Tensor:
        """The gradient's matrix with Nesterov momentum, whose memory moves by 1 - share."""
        assert weight.grad is not None, "every matrix takes part in the loss"
        gradient, state = as_rows(weight.grad), self.state[weight]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(gradient)
        memory: Tensor = state["momentum_buffer"]
        return gradient.lerp(memory.lerp_(gradient, 1 - share), share)


def as_rows(weight: Tensor) -> Tensor:
    """(N, features) or channels-last (N, C, H, W) as (N, everything else), without a copy."""
    return (weight.permute(0, 2, 3, 1) if weight.ndim == 4 else weight).view(len(weight), -1)


def orthogonal(matrix: Tensor) -> Tensor:
    """Nearly the nearest matrix with orthonormal rows or columns, bfloat16, by five iterations of Newton and Schulz."""
    is_tall = matrix.shape[0] > matrix.shape[1]
    result = matrix.to(torch.bfloat16, copy=True)
    result = result.T if is_tall else result
    result.div_(result.norm().clamp(min=SMALLEST))
    first, second, third = COEFFICIENTS
    for _ in range(ITERATIONS):
        gram = result @ result.T
        result = torch.addmm(result, torch.addmm(gram, gram, gram, beta=second, alpha=third), result, beta=first)
    return result.T if is_tall else result
