"""A quasi-random sequence: points that fill the unit cube more evenly than random ones. No Ray, no scipy.

Source: Halton, "On the efficiency of certain quasi-random sequences of points" (Numerische Mathematik 1960), with a random
permutation of each digit as in Owen, "A randomized Halton algorithm in R" (arXiv:1706.02808).
"""

import functools
import itertools
import random
from collections.abc import Iterator

from search.algorithms.base import ATTEMPTS, IsNew, Planned, first_new
from spaces import Point, Space
from trainables.seeds import derive

SMALLEST = 2.0**-40  # digits that are worth less than this change no value


class Quasi(Planned):
    """The new points of one Halton sequence, in order."""

    def points(self, space: Space, seed: int, first: int, is_new: IsNew) -> Iterator[Point]:
        places = itertools.count()
        for index in itertools.count(first):
            tries = (space.at(halton(seed, place, len(space.axes))) for place in itertools.islice(places, ATTEMPTS))
            yield first_new(space, index, tries, is_new)


def halton(seed: int, index: int, dimensions: int) -> list[float]:
    """Point `index` of the sequence, counted from 0: a number in [0, 1) for each dimension, by the arguments alone."""
    bases = itertools.islice(primes(), dimensions)
    return [position(seed, index, dimension, base) for dimension, base in enumerate(bases)]


def position(seed: int, index: int, dimension: int, base: int) -> float:
    """The coordinate of point `index` in one dimension: the permuted digits of `index`, reversed, behind the radix point.

    The zeros above the last digit of `index` are permuted, too.
    """
    u, worth = 0.0, 1.0 / base
    for place in itertools.count():
        if worth < SMALLEST:
            return min(u, 1.0 - SMALLEST)
        index, digit = divmod(index, base)
        u += worth * permutation(seed, dimension, place, base)[digit]
        worth /= base
    raise AssertionError


@functools.cache
def permutation(seed: int, dimension: int, place: int, base: int) -> list[int]:
    digits = list(range(base))
    random.Random(derive(seed, "halton", dimension, place)).shuffle(digits)
    return digits


def primes() -> Iterator[int]:
    found: list[int] = []
    for number in itertools.count(2):
        if all(number % prime for prime in found):
            found.append(number)
            yield number


ALGORITHM = Quasi()
