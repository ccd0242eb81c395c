"""A network as a user brings one: torch's own dropout, which draws from the global random state."""

from torch import Tensor, nn


class Net(nn.Module):
    """(N, 3, 32, 32) to (N, classes)."""

    def __init__(self, classes: int, width: int = 8) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(3 * 32 * 32, width), nn.ReLU(), nn.Dropout(0.3), nn.Linear(width, classes)
        )

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.layers(images)
        return logits
