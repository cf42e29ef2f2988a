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


Dimension = Uniform | LogUniform | Integer | Choice
Space = Mapping[str, Dimension]
Params = Mapping[str, str | int | float | bool]
