"""The loops of trainables/models/layers/normpool.py. Numba compiles them for the processor at their first call.

Compiling takes two seconds in every process. Numba could cache the result on disk. But then a full disk or a damaged file would
end a trial, and two processes that compile at the same time could corrupt the cache.

Arrays are (N, H, W, C), H and W even: float32, or uint16 with the bits of bfloat16 numbers. All arithmetic on values is in
float32. Every channel is summed separately and in a fixed order, so vector instructions of any length give the same bits.
"""
# mypy: disallow-untyped-defs=False

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, overload

ROWS = 64  # rows of pixels that are summed in float32 before they are added to the sums in float64
NAN = 0x7FC0  # the bits of a NaN in bfloat16
NEGATIVE = 4  # added to the place (0 to 3) of a largest value that LeakyReLU has scaled by the leak


@intrinsic
def as_float(_, bits):
    """The float32 number with these 32 bits."""
    return types.float32(types.uint32), lambda _, builder, __, values: builder.bitcast(values[0], ir.FloatType())


@intrinsic
def as_bits(_, number):
    """The 32 bits of a float32 number."""
    return types.uint32(types.float32), lambda _, builder, __, values: builder.bitcast(values[0], ir.IntType(32))


def wide(value: Any) -> np.float32:
    """The float32 number of an array's value, float32 or bfloat16 bits. Numba compiles `_wide` in its place."""
    raise NotImplementedError("only compiled")


def narrow(number: np.float32, value: Any) -> Any:
    """A float32 number in the type of `value`; bfloat16 is rounded to nearest, ties to even. Numba compiles `_narrow`."""
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
    """The new (number, value, here) if number is larger than largest or NaN, else the old (largest, best, where)."""
    more = (number > largest) | (number != number)
    return number if more else largest, value if more else best, here if more else where


@njit(nogil=True)
def moments(images, first):
    """Sums over all pixels of the differences from `first` (C,) and of their squares, each float64 (C,)."""
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
    """Normalise the images, take the largest of each 2 x 2 values, and apply LeakyReLU.

    The last three arguments are the outputs, (N, H / 2, W / 2, C): `pooled` gets the results, `chosen` the largest values before
    normalisation, and `place` their places: 0 to 3, plus NEGATIVE if the normalised value is not above zero.
    """
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
    """Two sums for the gradient of batch normalisation, float64 (C,) each.

    The first sum is of the gradient with respect to LeakyReLU's input. The second sum is of this gradient times the chosen value
    less its channel's mean.
    """
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
    """Write the gradient of the images to `out`: linear * (image - mean) + constant, plus scale * slope at chosen pixels."""
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
