"""The optimizers: torch's fused ones, without the import of torch's compiler that their first use brings.

That import takes two to three seconds in every worker, as long as torch itself, and nothing here is compiled.
"""

import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from trainables.errors import SpaceError
from trainables.training.schedules import learning_rate

RATES = {"adamw": ("lr",), "sgd": ("lr",), "muon": ("lr", "adamw_lr")}  # hyperparameter of each group's learning rate


class MuonAndAdamW:
    """Muon for the matrices among the weights and AdamW for the others, with what training needs of a torch optimizer.

    Matrices are the weights of all layers but the last, the classifier, as in Jordan et al. 2024 (who leave out the first
    layer of a language model too, because its input is not dense; that of an image is). A convolution counts as a matrix
    with a row for each output channel; Muon's update does not depend on the order of columns. torch's Muon takes only
    tensors of two dimensions, so it gets views of the weights, in the order in which channels-last weights lie in memory.
    """

    def __init__(self, model: nn.Module, lr: float, adamw_lr: float, momentum: float, weight_decay: float) -> None:
        self.weights = [weight for weight in model.parameters() if weight.ndim > 1][:-1]
        self.matrices = [as_rows(weight.detach()) for weight in self.weights]
        others = {id(weight) for weight in model.parameters()} - {id(weight) for weight in self.weights}
        self.muon = torch.optim.Muon(self.matrices, lr, weight_decay, momentum)
        self.adamw = torch.optim.AdamW(
            [weight for weight in model.parameters() if id(weight) in others],
            adamw_lr,
            weight_decay=weight_decay,
            fused=True,
        )
        self.steps = [plain_step(self.muon), plain_step(self.adamw)]

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The matrices, and the others."""
        return [*self.muon.param_groups, *self.adamw.param_groups]

    def step(self) -> None:
        for matrix, weight in zip(self.matrices, self.weights, strict=True):
            assert weight.grad is not None, "every matrix takes part in the loss"
            matrix.grad = as_rows(weight.grad)
        for step in self.steps:
            step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        for weight in [*self.matrices, *self.weights]:
            weight.grad = None
        self.adamw.zero_grad(set_to_none)

    def state_dict(self) -> dict[str, Any]:
        return {"muon": self.muon.state_dict(), "adamw": self.adamw.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.muon.load_state_dict(state["muon"])
        self.adamw.load_state_dict(state["adamw"])


Optimizer = torch.optim.Optimizer | MuonAndAdamW


def as_rows(weight: Tensor) -> Tensor:
    """(N, features) or channels-last (N, C, H, W) as (N, everything else), without a copy."""
    return (weight.permute(0, 2, 3, 1) if weight.ndim == 4 else weight).view(len(weight), -1)


def make_optimizer(config: Mapping[str, Any], model: nn.Module) -> Optimizer:
    """AdamW with `momentum` as its first beta, SGD with Nesterov momentum (one fused pass over all weights), or Muon.

    Raises:
        SpaceError: this torch has no Muon.
    """
    mark_as_not_compiled()
    lr, momentum, decay = config["lr"], config["momentum"], config["weight_decay"]
    if config["optimizer"] == "adamw":
        return torch.optim.AdamW(model.parameters(), lr, (momentum, 0.999), weight_decay=decay, fused=True)
    if config["optimizer"] == "muon":
        if not hasattr(torch.optim, "Muon"):
            raise SpaceError(
                f"optimizer 'muon': torch {torch.__version__} has none. Choose adamw or sgd, or a newer torch."
            )
        return MuonAndAdamW(model, lr, config["adamw_lr"], momentum, decay)
    nesterov = momentum > 0  # torch refuses Nesterov without momentum
    return torch.optim.SGD(model.parameters(), lr, momentum, weight_decay=decay, nesterov=nesterov, fused=True)


def set_rates(optimizer: Optimizer, config: Mapping[str, Any], epoch: float) -> None:
    """Give each group of weights its learning rate after `epoch` epochs."""
    for group, key in zip(optimizer.param_groups, RATES[config["optimizer"]], strict=True):
        group["lr"] = learning_rate(config, epoch, key)


def plain_step(optimizer: Optimizer) -> Callable[[], None]:
    """`optimizer.step` without the wrapper that imports the compiler; the arithmetic is the same."""
    step = inspect.unwrap(type(optimizer).step)

    def apply() -> None:
        with torch.no_grad():
            step(optimizer)

    return apply


def mark_as_not_compiled() -> None:
    """Tell torch that the other methods of its optimizers are hidden from the compiler already.

    Their wrapper imports the compiler on its first call, unless this attribute is there. Should torch change that,
    training only starts later.
    """
    for method in vars(torch.optim.Optimizer).values():
        original = getattr(method, "__wrapped__", None)
        if original is not None and "torch._dynamo" not in sys.modules:
            original.__dynamo_disable = original
