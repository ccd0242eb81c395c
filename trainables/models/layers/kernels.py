"""The loops behind trainables/models/layers/normpool.py, compiled by Numba for the processor at hand when they are first called.

That takes two seconds in every process. Numba could keep them on disk, but a full disk or a damaged file there would end a
trial, and two processes that compile at the same time can mix theirs up.

Arrays are (N, H, W, C), H and W even: float32, or uint16 with the bits of bfloat16 numbers, which are computed with as float32.
Every channel is summed on its own and in one order, so vectors of any length give the same bits.
"""
# mypy: disallow-untyped-defs=False

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, overload

ROWS = 64  # so many rows of pixels are summed in float32 before they join the sums in float64
NAN = 0x7FC0  # the bits of one in bfloat16
NEGATIVE = 4  # added to the place (0 to 3) of a largest value that LeakyReLU has scaled down


@intrinsic
def as_float(_, bits):
    """The float32 of these 32 bits."""
    return types.float32(types.uint32), lambda _, builder, __, values: builder.bitcast(values[0], ir.FloatType())


@intrinsic
def as_bits(_, number):
    """The 32 bits of this float32."""
    return types.uint32(types.float32), lambda _, builder, __, values: builder.bitcast(values[0], ir.IntType(32))


def wide(value: Any) -> np.float32:
    """The number that a value of either kind of array stands for. Numba compiles `_wide` for it."""
    raise NotImplementedError("only compiled")


def narrow(number: np.float32, value: Any) -> Any:
    """The number as a value of the same kind; a bfloat16 is the nearest, and of two the even one. Compiled: `_narrow`."""
    raise NotImplementedError("only compiled")


@overload(wide, inline="always")
def _wide(value):
    if value == types.float32:
        return lambda value: value
    return lambda value: as_float(np.uint32(value) << np.uint32(16))


@overload(narrow, inline="always")
def _narrow(number, value):
    def same(number, value):
        return number

    def nearest(number, value):
        bits = as_bits(number)
        even = (bits >> np.uint32(16)) & np.uint32(1)
        rounded = (bits + np.uint32(0x7FFF) + even) >> np.uint32(16)  # inf stays inf; some NaN would become zero
        return np.uint16(rounded) if number == number else np.uint16(NAN)

    return same if value == types.float32 else nearest


@njit(inline="always")
def larger(number, value, here, largest, best, where):
    """The second three, or the first if its number is larger or none at all (NaN)."""
    more = (number > largest) | (number != number)
    return number if more else largest, value if more else best, here if more else where


@njit(nogil=True)
def moments(images, first):
    """Sums of the differences from `first` (C,) and of their squares, each float64 (C,)."""
    count, height, width, channels = images.shape
    rows = images.reshape(count * height, width * channels)
    offset = np.empty(width * channels, np.float32)
    for k in range(width * channels):
        offset[k] = first[k % channels]
    total, squares = np.zeros(channels), np.zeros(channels)
    some, some_squares = np.empty_like(offset), np.empty_like(offset)
    for start in range(0, len(rows), ROWS):
        some[:], some_squares[:] = 0, 0
        for r in range(start, min(start + ROWS, len(rows))):
            row = rows[r]
            for k in range(width * channels):
                difference = wide(row[k]) - offset[k]
                some[k] += difference
                some_squares[k] += difference * difference
        for k in range(width * channels):
            total[k % channels] += some[k]
            squares[k % channels] += some_squares[k]
    return total, squares


@njit(nogil=True)
def pool(images, mean, scale, bias, leak, pooled, chosen, place):
    """LeakyReLU of the largest of each 2 x 2 normalised values; also which pixel that was, and its value before."""
    count, height, width, channels = pooled.shape
    for n in range(count):
        for h in range(height):
            for w in range(width):
                for k in range(channels):
                    best, second = images[n, 2 * h, 2 * w, k], images[n, 2 * h, 2 * w + 1, k]
                    third, fourth = images[n, 2 * h + 1, 2 * w, k], images[n, 2 * h + 1, 2 * w + 1, k]
                    largest, where = (wide(best) - mean[k]) * scale[k] + bias[k], np.uint8(0)
                    number = (wide(second) - mean[k]) * scale[k] + bias[k]
                    largest, best, where = larger(number, second, np.uint8(1), largest, best, where)
                    number = (wide(third) - mean[k]) * scale[k] + bias[k]
                    largest, best, where = larger(number, third, np.uint8(2), largest, best, where)
                    number = (wide(fourth) - mean[k]) * scale[k] + bias[k]
                    largest, best, where = larger(number, fourth, np.uint8(3), largest, best, where)
                    positive = largest > 0
                    pooled[n, h, w, k] = narrow(largest if positive else largest * leak, best)
                    chosen[n, h, w, k] = best
                    place[n, h, w, k] = where if positive else where + np.uint8(NEGATIVE)


@njit(nogil=True)
def sums(slopes, chosen, place, leak, mean):
    """Of the gradient before LeakyReLU, and of it times what was chosen less its mean: float64 (C,) each."""
    count, height, width, channels = slopes.shape
    total, products = np.zeros(channels), np.zeros(channels)
    some, some_products = np.empty(channels, np.float32), np.empty(channels, np.float32)
    for n in range(count):
        for h in range(height):
            some[:], some_products[:] = 0, 0
            for w in range(width):
                slope_row, chosen_row, place_row = slopes[n, h, w], chosen[n, h, w], place[n, h, w]
                for k in range(channels):
                    slope = wide(slope_row[k])
                    slope = slope * leak if place_row[k] >= NEGATIVE else slope
                    some[k] += slope
                    some_products[k] += slope * (wide(chosen_row[k]) - mean[k])
            for k in range(channels):
                total[k] += some[k]
                products[k] += some_products[k]
    return total, products


@njit(nogil=True)
def spread(images, slopes, place, leak, scale, mean, linear, constant, out):
    """The gradient of the images: linear * (image - mean) + constant, and scale * slope on top where a pixel was chosen."""
    count, height, width, channels = images.shape
    for n in range(count):
        for y in range(height):  # a row at a time, so that memory is written in its order
            for x in range(width):
                here = np.uint8(2 * (y % 2) + x % 2)
                for k in range(channels):
                    value, where = images[n, y, x, k], place[n, y // 2, x // 2, k]
                    slope = wide(slopes[n, y // 2, x // 2, k]) * scale[k]
                    slope = slope * leak if where >= NEGATIVE else slope
                    more = slope if where & np.uint8(NEGATIVE - 1) == here else np.float32(0)
                    out[n, y, x, k] = narrow((wide(value) - mean[k]) * linear[k] + constant[k] + more, value)
