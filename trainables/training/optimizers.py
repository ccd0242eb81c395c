"""The optimizers: torch's fused ones and Muon, without the import of torch's compiler that their first use brings.

That import takes two to three seconds in every worker, as long as torch itself, and nothing here is compiled.
"""

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from trainables.training.muon import Muon
from trainables.training.schedules import learning_rate

RATES = {"adamw": ("lr",), "sgd": ("lr",), "muon": ("lr", "adamw_lr")}  # hyperparameter of each group's learning rate


class MuonAndAdamW:
    """Muon for the matrices among the weights and AdamW for the others, with what training needs of a torch optimizer.

    Matrices are the weights of all layers but the last, the classifier, as in Jordan et al. 2024 (who leave out the first
    layer of a language model too, because its input is not dense; that of an image is).
    """

    def __init__(self, model: nn.Module, lr: float, adamw_lr: float, momentum: float, weight_decay: float) -> None:
        matrices = [weight for weight in model.parameters() if weight.ndim > 1][:-1]
        others = {id(weight) for weight in model.parameters()} - {id(weight) for weight in matrices}
        self.muon = Muon(matrices, lr, momentum, weight_decay)
        self.adamw = adamw(
            [weight for weight in model.parameters() if id(weight) in others], adamw_lr, weight_decay=weight_decay
        )
        self.steps = [plain_step(self.muon), plain_step(self.adamw)]

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The matrices, and the others."""
        return [*self.muon.param_groups, *self.adamw.param_groups]

    def step(self) -> None:
        for step in self.steps:
            step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        for optimizer in (self.muon, self.adamw):
            optimizer.zero_grad(set_to_none)

    def state_dict(self) -> dict[str, Any]:
        return {"muon": self.muon.state_dict(), "adamw": self.adamw.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.muon.load_state_dict(state["muon"])
        self.adamw.load_state_dict(state["adamw"])


Optimizer = torch.optim.Optimizer | MuonAndAdamW


def make_optimizer(config: Mapping[str, Any], model: nn.Module) -> Optimizer:
    """AdamW with `momentum` as its first beta, SGD with Nesterov momentum (one fused pass over all weights), or Muon."""
    mark_as_not_compiled()
    lr, momentum, decay = config["lr"], config["momentum"], config["weight_decay"]
    if config["optimizer"] == "adamw":
        return adamw(model.parameters(), lr, betas=(momentum, 0.999), weight_decay=decay)
    if config["optimizer"] == "muon":
        return MuonAndAdamW(model, lr, config["adamw_lr"], momentum, decay)
    nesterov = momentum > 0  # torch refuses Nesterov without momentum
    return torch.optim.SGD(model.parameters(), lr, momentum, weight_decay=decay, nesterov=nesterov, fused=True)


def adamw(weights: Iterable[Tensor], lr: float, **settings: Any) -> torch.optim.AdamW:
    """torch's in one fused pass; on a GPU it counts its steps there."""
    weights = list(weights)
    return torch.optim.AdamW(weights, lr, **settings, fused=True, capturable=weights[0].is_cuda)


def states(optimizer: Optimizer) -> dict[str, Tensor]:
    """What it remembers of the weights, as tensors; nothing before its first step."""
    parts = [optimizer.muon, optimizer.adamw] if isinstance(optimizer, MuonAndAdamW) else [optimizer]
    return {
        f"{type(part).__name__} {place} {name}": value
        for part in parts
        for place, weight in enumerate(weight for group in part.param_groups for weight in group["params"])
        for name, value in part.state.get(weight, {}).items()
        if isinstance(value, Tensor)
    }


def rate_table(config: Mapping[str, Any], epoch: int, steps: int) -> Tensor:
    """float32 (steps, groups): the learning rate of each group of weights at each step of an epoch, which counts from 1."""
    keys = RATES[config["optimizer"]]
    if config["schedule"] == "constant":
        return torch.tensor([[config[key] for key in keys]]).repeat(steps, 1)
    return torch.tensor(
        [[learning_rate(config, epoch - 1 + step / steps, key) for key in keys] for step in range(steps)]
    )


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
