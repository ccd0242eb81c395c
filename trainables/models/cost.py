"""The cost of a network: its trainable parameters, and the FLOPs of one image.

The cost of models with a formula here is computed without torch. Any other model is built on torch's meta device.

FLOPs are counted for one forward pass of one image: two for each multiplication with its addition in a convolution or matrix
product. Normalisation, activations and pooling are not counted, as is usual. A training step costs about three times as much.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from trainables.config import image_size
from trainables.errors import SpaceError
from trainables.parts import whose

SMALL = 64  # pixels of an image's side up to which a residual network does not reduce it first


class Cost(NamedTuple):
    """Trainable parameters and FLOPs per image of a layer or a network."""

    parameters: int
    flops: int


def parameters(config: Mapping[str, Any], classes: int) -> int:
    """Trainable parameters of the network of a complete configuration."""
    return of(config, classes).parameters


def flops(config: Mapping[str, Any], classes: int) -> int:
    """Floating-point operations of one forward pass of one image through the network of a complete configuration."""
    return of(config, classes).flops


def of(config: Mapping[str, Any], classes: int) -> Cost:
    """The cost of the network of a complete configuration.

    Raises:
        SpaceError: a user's network cannot be built.
    """
    if config["model"] not in FORMULAS:
        from trainables.models.meta import measure  # torch

        try:
            return Cost(*measure(config, classes))
        except SpaceError:
            raise
        except Exception as error:  # of the user's constructor
            raise SpaceError(f"model {config['model']} cannot be made: {whose.said(error)}") from error
    parameters, flops = map(sum, zip(*layers(config, classes), strict=True))
    return Cost(parameters, flops)


def has_formula(config: Mapping[str, Any]) -> bool:
    """Whether the cost of a configuration's network has a formula, which needs neither torch nor a user's code."""
    return config["model"] in FORMULAS


def layers(config: Mapping[str, Any], classes: int) -> Iterator[Cost]:
    """The costs of the layers with parameters of the network trainables.models.networks.build(config, classes)."""
    return FORMULAS[config["model"]](config, classes)


def mlp(config: Mapping[str, Any], classes: int) -> Iterator[Cost]:
    features = 3 * image_size(config) ** 2
    for layer in range(config["depth"]):
        width = max(8, config["width"] >> layer)
        yield Cost(features * width, 2 * features * width)
        yield norm(width)
        features = width
    yield linear(features, classes)


def convnet(config: Mapping[str, Any], classes: int) -> Iterator[Cost]:
    channels, side = 3, image_size(config)
    for block in range(config["depth"]):
        width = config["width"] << min(block, 3)
        yield from (convolution(channels, width, 3, side), norm(width))
        channels, side = width, side // 2 if block < 3 else side
    yield linear(channels, classes)


def resnet18(config: Mapping[str, Any], classes: int) -> Iterator[Cost]:
    yield from stem(64, image_size(config))
    channels, first = 64, stem_side(image_size(config))
    for stage in range(4):
        width, side = 64 << stage, halved(first, stage)
        for _ in range(2):
            yield from residual_block(channels, width, side)
            if channels != width:  # a projection on the shortcut
                yield from (convolution(channels, width, 1, side), norm(width))
            channels = width
    yield linear(channels, classes)


def resnet(config: Mapping[str, Any], classes: int) -> Iterator[Cost]:
    yield from stem(config["width"], image_size(config))
    channels, first = config["width"], stem_side(image_size(config))
    for stage in range(3):
        for _ in range((config["depth"] - 2) // 6):
            yield from residual_block(channels, config["width"] << stage, halved(first, stage))
            channels = config["width"] << stage
    yield linear(channels, classes)


def speed_net(config: Mapping[str, Any], classes: int) -> Iterator[Cost]:
    channels, side = 24, image_size(config) - 1
    yield Cost(channels, convolution(3, channels, 2, side).flops)  # only the bias of the whitening layer is trained
    for width in (config["width"], 4 * config["width"], 4 * config["width"]):
        yield from (convolution(channels, width, 3, side), norm(width))
        channels, side = width, side // 2
        yield from (convolution(channels, width, 3, side), norm(width))
    yield linear(channels, classes)


def stem(outputs: int, size: int) -> Iterator[Cost]:
    """The costs of the first convolution of a residual network and its normalisation; 7x7, stride 2 for large images."""
    yield convolution(3, outputs, 3, size) if size <= SMALL else convolution(3, outputs, 7, halved(size, 1))
    yield norm(outputs)


def stem_side(size: int) -> int:
    """The side, in pixels, of the images that enter the first stage of a residual network."""
    return size if size <= SMALL else halved(size, 2)


def halved(side: int, times: int) -> int:
    """A side halved `times` times, each time rounded up."""
    return -(-side >> times)


def residual_block(inputs: int, outputs: int, side: int) -> Iterator[Cost]:
    """The costs of two 3x3 convolutions with their normalisation; `side` is the side of their outputs."""
    yield from (convolution(inputs, outputs, 3, side), norm(outputs))
    yield from (convolution(outputs, outputs, 3, side), norm(outputs))


def convolution(inputs: int, outputs: int, kernel: int, side: int) -> Cost:
    """The cost of a convolution with square kernels and without bias; `side` is the side of its output."""
    weights = inputs * outputs * kernel * kernel
    return Cost(weights, 2 * weights * side * side)


def norm(features: int) -> Cost:
    """The cost of a normalisation: a scale and a shift for each feature, whose FLOPs are not counted."""
    return Cost(2 * features, 0)


def linear(inputs: int, outputs: int) -> Cost:
    """The cost of a linear layer with a bias, whose addition is not counted."""
    return Cost((inputs + 1) * outputs, 2 * inputs * outputs)


FORMULAS: dict[str, Callable[[Mapping[str, Any], int], Iterator[Cost]]] = {
    "mlp": mlp, "convnet": convnet, "resnet18": resnet18, "resnet": resnet, "speed_net": speed_net,
}  # fmt: skip
