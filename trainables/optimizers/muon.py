"""Muon for weight matrices and AdamW for all other weights (Jordan et al. 2024)."""

from collections.abc import Mapping
from typing import Annotated, Any

from torch import nn

from trainables.optimizers.adamw import fused
from trainables.optimizers.matrices import Muon
from trainables.optimizers.plain import plain_step
from trainables.parts.bounds import above, between


def muon(
    model: nn.Module,
    lr: Annotated[float, above(0, 1e12)] = 0.1,
    adamw_lr: Annotated[float, above(0, 1e12)] = 3e-3,
    momentum: Annotated[float, between(0, 0.9999)] = 0.9,
    weight_decay: Annotated[float, between(0, 1e12)] = 5e-4,
) -> "MuonAndAdamW":
    """Muon with learning rate `lr` for the matrices, and AdamW with learning rate `adamw_lr` for the other weights."""
    return MuonAndAdamW(model, lr, adamw_lr, momentum, weight_decay)


class MuonAndAdamW:
    """Muon for the matrices among the weights and AdamW for the others, with the interface of a torch optimizer.

    Matrices are the weights with two or more dimensions, except the last one, which is the classifier's, as in Jordan et al.
    2024. They also leave out the first layer of a language model, because its input is not dense. The input of an image network
    is dense, so its first layer is included.
    """

    def __init__(self, model: nn.Module, lr: float, adamw_lr: float, momentum: float, weight_decay: float) -> None:
        matrices = [weight for weight in model.parameters() if weight.ndim > 1][:-1]
        others = {id(weight) for weight in model.parameters()} - {id(weight) for weight in matrices}
        self.muon = Muon(matrices, lr, momentum, weight_decay)
        self.adamw = fused(
            [weight for weight in model.parameters() if id(weight) in others], adamw_lr, weight_decay=weight_decay
        )
        self.parts = (self.muon, self.adamw)
        self.steps = [plain_step(part) for part in self.parts]

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The parameter groups of Muon, followed by those of AdamW."""
        return [*self.muon.param_groups, *self.adamw.param_groups]

    def step(self) -> None:
        for step in self.steps:
            step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        for part in self.parts:
            part.zero_grad(set_to_none)

    def state_dict(self) -> dict[str, Any]:
        return {"muon": self.muon.state_dict(), "adamw": self.adamw.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.muon.load_state_dict(state["muon"])
        self.adamw.load_state_dict(state["adamw"])
