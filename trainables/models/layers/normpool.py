"""Batch normalisation, 2x2 max pooling and LeakyReLU as one layer, which reads the activations as few times as possible.

On a CPU these three operations take nearly half of a step, most of it waiting for memory. The gradient of batch normalisation is
that of Ioffe and Szegedy 2015, section 3; its sums need only the pixels that pooling has chosen. The variance is computed from
differences to one pixel (Chan, Golub and LeVeque 1983), so a large mean causes no error. The result is rounded to the precision
of the images once, at the end. torch computes the layer with more than one thread, on a GPU, for odd sizes, for gradients in
evaluation mode, and if Numba cannot compile the loops.
"""

import functools
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

quiet = np.errstate(all="ignore")  # a diverging network is noticed by its loss


class NormPool(nn.BatchNorm2d):
    """Batch normalisation, 2x2 max pooling and LeakyReLU: (N, C, H, W) to (N, C, H // 2, W // 2).

    The parameters and running statistics are those of BatchNorm2d. `leak` is the slope of LeakyReLU below zero.
    """

    def __init__(self, channels: int, leak: float) -> None:
        super().__init__(channels)
        self.leak = leak

    @quiet
    def forward(self, images: Tensor) -> Tensor:
        if not self.fits(images):
            return F.leaky_relu(F.max_pool2d(super().forward(images), 2), self.leak)
        if not self.training:
            return pooled(images, *self.running(), self.leak)[0]
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        result: Tensor = OnePass.apply(images, self.weight, self.bias, self)
        return result

    def fits(self, images: Tensor) -> bool:
        """Whether the compiled loops can be used for these images.

        They need float32 or bfloat16 images, channels last on a CPU, with even sides; float32 weights; one thread; and no
        gradient in evaluation mode.
        """
        return (
            images.device.type == "cpu"
            and images.dtype in (torch.float32, torch.bfloat16)
            and self.weight.dtype == torch.float32
            and images.is_contiguous(memory_format=torch.channels_last)
            and images.numel() > 0
            and images.shape[1] == self.num_features
            and images.shape[2] % 2 == images.shape[3] % 2 == 0
            and torch.get_num_threads() == 1
            and compiles(images.dtype)
            and (self.training or not torch.is_grad_enabled())
        )

    def running(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mean, scale and bias of each channel from the running statistics, float64 (C,) each."""
        assert self.running_mean is not None and self.running_var is not None
        scale = numbers(self.weight) / np.sqrt(numbers(self.running_var) + self.eps)
        return numbers(self.running_mean), scale, numbers(self.bias)

    def follow(self, mean: np.ndarray, variance: np.ndarray, count: int) -> None:
        """Update the running statistics with the mean and variance of a batch of `count` pixels."""
        assert self.running_mean is not None and self.running_var is not None and self.momentum is not None
        unbiased = variance * (count / (count - 1))
        for running, batch in ((self.running_mean, mean), (self.running_var, unbiased)):
            running.mul_(1 - self.momentum).add_(torch.from_numpy(batch).float(), alpha=self.momentum)  # inf stays inf


class OnePass(torch.autograd.Function):
    """The layer in training mode, with the statistics of the batch."""

    @staticmethod
    def forward(context: Any, images: Tensor, weight: Tensor, bias: Tensor, layer: NormPool) -> Tensor:
        from trainables.models.layers import kernels  # only here: Numba takes a while to load, and to compile

        count, first = images.numel() // images.shape[1], images[0, :, 0, 0].float().numpy()
        total, squares = kernels.moments(rows(images), first)
        mean = first + total / count
        variance = np.maximum(squares / count - (total / count) ** 2, 0)
        layer.follow(mean, variance, count)
        deviation = np.sqrt(variance + layer.eps)
        scale = numbers(weight) / deviation
        result, chosen, place = pooled(images, mean, scale, numbers(bias), layer.leak)
        context.save_for_backward(images, chosen, place)
        context.statistics = layer.leak, mean, deviation, scale
        return result

    @staticmethod
    @once_differentiable
    @quiet
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        from trainables.models.layers import kernels

        images, chosen, place = context.saved_tensors
        leak, mean, deviation, scale = context.statistics
        slopes = rows(gradient.contiguous(memory_format=torch.channels_last))  # loops are compiled for each layout
        total, products = kernels.sums(slopes, rows(chosen), rows(place), np.float32(leak), mean.astype(np.float32))
        weighted, count = products / deviation, images.numel() // images.shape[1]  # the gradient of the weight
        linear, constant = -scale * weighted / deviation / count, -scale * total / count
        result = torch.empty_like(images)
        arrays = [each.astype(np.float32) for each in (scale, mean, linear, constant)]
        kernels.spread(rows(images), slopes, rows(place), np.float32(leak), *arrays, rows(result))
        return result, torch.from_numpy(weighted).float(), torch.from_numpy(total).float(), None


def pooled(
    images: Tensor, mean: np.ndarray, scale: np.ndarray, bias: np.ndarray, leak: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The layer's result, the chosen values before normalisation, and their places (see kernels.pool)."""
    from trainables.models.layers import kernels

    count, channels, height, width = images.shape
    shape, order = (count, channels, height // 2, width // 2), torch.channels_last
    result, chosen = (torch.empty(shape, dtype=images.dtype, memory_format=order) for _ in range(2))
    place = torch.empty(shape, dtype=torch.uint8, memory_format=order)
    arrays = [each.astype(np.float32) for each in (mean, scale, bias)]
    kernels.pool(rows(images), *arrays, np.float32(leak), rows(result), rows(chosen), rows(place))
    return result, chosen, place


@functools.cache
def compiles(dtype: torch.dtype) -> bool:
    """Whether Numba can compile the loops for float32 or bfloat16 images.

    Numba may be disabled, or may not fit numpy or the processor. The check compiles the loop that the layer uses later.
    """
    try:
        from numba import config

        pixels = torch.zeros((1, 2, 2, 2), dtype=dtype).contiguous(memory_format=torch.channels_last)
        if not config.DISABLE_JIT:
            pooled(pixels, np.zeros(2), np.ones(2), np.zeros(2), 0.1)
    except Exception:  # any error of Numba, LLVM or numpy
        return False
    return not config.DISABLE_JIT


def rows(images: Tensor) -> np.ndarray:
    """A channels-last tensor (N, C, H, W) as an array (N, H, W, C) over its memory; bfloat16 as uint16 bits."""
    pixels = images.detach().permute(0, 2, 3, 1)
    return (pixels.view(torch.uint16) if pixels.dtype == torch.bfloat16 else pixels).numpy()


def numbers(tensor: Tensor) -> np.ndarray:
    """A tensor of one number for each channel as an array, float64 (C,)."""
    return tensor.detach().double().numpy()
