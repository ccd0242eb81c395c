"""Muon (Jordan et al. 2024): the momentum of a weight matrix is made orthogonal before it is added to the weights.

torch's own Muon reads a learning rate that is a tensor back from the device at every step. The arithmetic here is torch's.
"""

import math
from collections.abc import Iterable

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic polynomial, chosen for a large slope at zero
ITERATIONS = 5
SMALLEST = 1e-7  # least norm by which a matrix is divided


class Muon(torch.optim.Optimizer):
    """Muon with Nesterov momentum, for weights with two dimensions and for convolutions.

    The matrix of a convolution has one row for each output channel. A step is longer by the factor sqrt(rows / columns) if a
    matrix has more rows than columns. The learning rate of a group may be a number or a tensor on the weights' device.
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
        """The gradient of a weight as a matrix with Nesterov momentum. The momentum buffer moves by the share 1 - share."""
        assert weight.grad is not None, "every matrix takes part in the loss"
        gradient, state = as_rows(weight.grad), self.state[weight]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(gradient)
        memory: Tensor = state["momentum_buffer"]
        return gradient.lerp(memory.lerp_(gradient, 1 - share), share)


def as_rows(weight: Tensor) -> Tensor:
    """A weight (N, features), or a channels-last weight (N, C, H, W), as a matrix with N rows, without a copy."""
    return (weight.permute(0, 2, 3, 1) if weight.ndim == 4 else weight).view(len(weight), -1)


def orthogonal(matrix: Tensor) -> Tensor:
    """Approximately the nearest matrix with orthonormal rows or columns, bfloat16, by five Newton-Schulz iterations."""
    is_tall = matrix.shape[0] > matrix.shape[1]
    result = matrix.to(torch.bfloat16, copy=True)
    result = result.T if is_tall else result
    result.div_(result.norm().clamp(min=SMALLEST))
    first, second, third = COEFFICIENTS
    for _ in range(ITERATIONS):
        gram = result @ result.T
        result = torch.addmm(result, torch.addmm(gram, gram, gram, beta=second, alpha=third), result, beta=first)
    return result.T if is_tall else result
