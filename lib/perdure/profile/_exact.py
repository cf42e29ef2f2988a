"""Exact sums of floating-point numbers: the same whatever the order and the batches, as a monoid asks.

A float64 is a whole number of at most 53 bits times a power of two. Sums are kept as such a pair of unlimited
size, so nothing is rounded before the mean or the variance is asked for. (The idea of Kulisch's long
accumulator.)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MANTISSA, _HALF = 53, 27  # bits of a float64's mantissa, and of its lower half
_BATCH = 1 << 20


@dataclass(frozen=True)
class Exact:
    """The number `mantissa * 2**exponent`; the mantissa is odd, or both are zero."""

    mantissa: int = 0
    exponent: int = 0

    def __add__(self, other: Exact) -> Exact:
        low = min(self.exponent, other.exponent)
        return exact((self.mantissa << (self.exponent - low)) + (other.mantissa << (other.exponent - low)), low)

    def fraction(self) -> Fraction:
        """The number, still exact."""
        if self.exponent >= 0:
            return Fraction(self.mantissa << self.exponent)
        return Fraction(self.mantissa, 1 << -self.exponent)

    def __str__(self) -> str:
        """As `parse` reads it: hexadecimal mantissa, `p`, exponent."""
        return f"{self.mantissa:x}p{self.exponent}"

    @classmethod
    def parse(cls, text: str) -> Exact:
        """From `str(self)`."""
        mantissa, exponent = text.split("p")
        return cls(int(mantissa, 16), int(exponent))


ZERO = Exact()


def exact(mantissa: int, exponent: int) -> Exact:
    """`mantissa * 2**exponent` in its one normal form."""
    if mantissa == 0:
        return ZERO
    zeros = (mantissa & -mantissa).bit_length() - 1
    return Exact(mantissa >> zeros, exponent + zeros)


def sums(values: NDArray[np.float64], counts: NDArray[np.int64] | None = None) -> tuple[Exact, Exact]:
    """The exact sum, and the exact sum of squares, of finite values; each as often as `counts` says, together less
    than 2**26 times."""
    if counts is not None:
        return _batch(values, counts) if len(values) else (ZERO, ZERO)
    total, squares = ZERO, ZERO
    for start in range(0, len(values), _BATCH):
        first, second = _batch(values[start : start + _BATCH])
        total, squares = total + first, squares + second
    return total, squares


def _batch(values: NDArray[np.float64], counts: NDArray[np.int64] | None = None) -> tuple[Exact, Exact]:
    biggest, many = float(np.abs(values).max()), len(values) if counts is None else int(counts.sum())
    if biggest * biggest * many < 2.0**62:
        whole = values.astype(np.int64)
        if np.array_equal(whole, values):
            times = whole if counts is None else whole * counts
            return exact(int(times.sum()), 0), exact(int(np.dot(times, whole)), 0)
    fraction, exponents = np.frexp(values)
    mantissas = np.ldexp(fraction, _MANTISSA).astype(np.int64)
    lowest = int(exponents.min())
    groups = exponents - lowest
    high, low = mantissas >> _HALF, mantissas & ((1 << _HALF) - 1)
    up = _MANTISSA - _HALF
    halves = _Part(high, up, _HALF), _Part(low, _HALF, 0)
    products = (_Part(high * high, 2 * up, 2 * _HALF), _Part(high * low, _MANTISSA, _HALF + 1),
                _Part(low * low, 2 * _HALF, 0))  # fmt: skip
    total, squares = _grouped(groups, halves, 1, counts), _grouped(groups, products, 2, counts)
    return exact(total, lowest - _MANTISSA), exact(squares, 2 * (lowest - _MANTISSA))


class _Part(NamedTuple):
    """Whole numbers of up to so many bits, and a sign, that stand for themselves times 2**shift."""

    numbers: NDArray[np.int64]
    bits: int
    shift: int


def _grouped(groups: NDArray[np.int32], parts: Iterable[_Part], power: int, counts: NDArray[np.int64] | None) -> int:
    """Sum over values, as often as counted, of (sum of part * 2**shift) * 2**(power * group). Parts are cut into words
    so short that all of a batch's sum exactly in a float64."""
    many = len(groups) if counts is None else int(counts.sum())
    size = _MANTISSA - many.bit_length()
    result = 0
    for part in parts:
        last = (part.bits - 1) // size
        for place in range(last + 1):
            word = part.numbers >> (place * size)
            word = word if place == last else word & ((1 << size) - 1)  # the sign is in the last
            weights = word if counts is None else word * counts
            for group, count in enumerate(np.bincount(groups, weights=weights)):
                if count:
                    result += int(count) << (part.shift + place * size + power * group)
    return result
