"""The networks of torchvision, untrained: `torchvision:resnet50`."""

from typing import TYPE_CHECKING

from trainables.errors import SpaceError
from trainables.suggestions import suggestion

if TYPE_CHECKING:
    from torch import nn


def torchvision(name: str, classes: int, image_size: int) -> "nn.Module":
    """The untrained torchvision network of this name. A vision transformer is built for the size of the images.

    Raises:
        SpaceError: torchvision has no such network.
    """
    import torchvision.models as library

    known = library.list_models(module=library)
    if name not in known:
        raise SpaceError(f"torchvision has no model {name!r}.{suggestion(name, known)}")
    sized = {"image_size": image_size} if name.startswith("vit_") else {}
    model: nn.Module = library.get_model(name, weights=None, num_classes=classes, **sized)
    return model
