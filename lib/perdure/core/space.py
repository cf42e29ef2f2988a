"""Search-space dimensions, free of any tuning library. A space is a mapping of parameter name to one of these.

`first`: the value of a family's first trial, one that is known to do well on most data; without it, it is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Uniform:
    """A real number between `low` and `high`."""

    low: float
    high: float
    first: float | None = None


@dataclass(frozen=True)
class LogUniform:
    """A positive real number between `low` and `high`, spread evenly over its logarithm."""

    low: float
    high: float
    first: float | None = None


@dataclass(frozen=True)
class Integer:
    """A whole number from `low` to `high`, both included; `step` apart."""

    low: int
    high: int
    step: int = 1
    first: int | None = None


@dataclass(frozen=True)
class Choice:
    """One of a few values (numbers, strings or booleans)."""

    options: tuple[str | int | float | bool, ...]
    first: str | int | float | bool | None = None

    def place(self, value: object) -> int | None:
        """Which option is this value, and of its type (true isn't 1); None: none is."""
        same = (number for number, option in enumerate(self.options) if option == value and type(option) is type(value))
        return next(same, None)


Dimension = Uniform | LogUniform | Integer | Choice
Space = Mapping[str, Dimension]
Params = Mapping[str, str | int | float | bool]


def holds(dimension: Dimension, value: object) -> bool:
    """Whether the value is one that the dimension can give."""
    if isinstance(dimension, Choice):
        return dimension.place(value) is not None
    if isinstance(dimension, Integer):
        return type(value) is int and value in range(dimension.low, dimension.high + 1, dimension.step)
    return isinstance(value, (int, float)) and type(value) is not bool and dimension.low <= value <= dimension.high
