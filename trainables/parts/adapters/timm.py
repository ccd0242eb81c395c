"""The networks of timm, untrained: `timm:convnext_tiny`. timm is an extra: pip install "cifar-search[timm]"."""

import importlib
from typing import TYPE_CHECKING, Annotated, Any

from trainables.errors import SpaceError
from trainables.parts.bounds import between
from trainables.suggestions import suggestion

if TYPE_CHECKING:
    from torch import nn


def timm(name: str, classes: int, dropout: Annotated[float, between(0, 0.9999)] = 0.0) -> "nn.Module":
    """The untrained timm network of this name. `dropout` is timm's drop_rate.

    Raises:
        SpaceError: timm is not installed, or has no such network.
    """
    try:
        library: Any = importlib.import_module("timm")  # without an installed timm there are no types
    except ModuleNotFoundError as error:
        raise SpaceError(
            f'timm:{name}: timm is not installed: pip install "cifar-search[timm]". Then run the same command again.'
        ) from error
    known = library.list_models()
    if name not in known:
        raise SpaceError(f"timm has no model {name!r}.{suggestion(name, known)}")
    model: nn.Module = library.create_model(name, pretrained=False, num_classes=classes, drop_rate=dropout)
    return model
