"""Latency: the seconds that a trained network takes to classify one image."""

import statistics
import time

from torch import nn

from trainables.data.loading import Dataset
from trainables.training.loop import predict_resident
from trainables.training.shared import as_tensor, pixel_scale

WARM_UP = 2  # passes that are not counted: kernels are chosen and memory is allocated
PASSES = 9
SHARE = 0.002  # share of the training time that the measurement may take


def latency(model: nn.Module, data: Dataset, device: str, precision: str, trained: float) -> float:
    """Median seconds from one uint8 image in host memory to its logits in host memory, over 1 to PASSES passes.

    On a GPU the seconds include both transfers. The function draws no random number and leaves the network in evaluation mode.

    Args:
        trained: seconds that training took; the measurement ends when SHARE of these seconds is spent.
    """
    image, scale, seconds = as_tensor(data.val.images[:1]), pixel_scale(data, device), []
    until = time.perf_counter() + SHARE * trained
    for number in range(WARM_UP + PASSES):
        started = time.perf_counter()
        predict_resident(model, image.to(device), scale, precision).cpu()
        seconds.append(time.perf_counter() - started)
        if number >= WARM_UP and time.perf_counter() > until:
            break
    return statistics.median(seconds[WARM_UP:])
