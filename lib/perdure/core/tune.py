"""The pipeline file's section on the search: its effort, and the spaces that it draws from."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from .section import Section, Span
from .space import Choice, Dimension, Integer, LogUniform, Space, Uniform, holds


class Range(Section):
    """What a parameter is drawn from: give one of these."""

    uniform: tuple[float, float] | None = Field(default=None, description="a real number between the two")
    log_uniform: tuple[float, float] | None = Field(
        default=None, description="a positive real number between the two, spread evenly over its logarithm"
    )
    integer: tuple[int, int] | tuple[int, int, int] | None = Field(
        default=None, description="a whole number from the first to the second; a third: how far apart they are"
    )
    choice: tuple[bool | int | float | str, ...] | None = Field(
        default=None, min_length=1, description="one of these; a single one fixes the parameter"
    )
    first: bool | int | float | str | None = Field(default=None, description="the value of the family's first trial")

    @model_validator(mode="after")
    def _one(self) -> Range:
        given = {name: value for name, value in self if value is not None and name != "first"}
        if len(given) != 1:
            raise ValueError("expected one of uniform, log_uniform, integer and choice, such as {integer: [3, 8]}; "
                             f"found {', '.join(given) or 'none'}")
        ((kind, value),) = given.items()
        if kind != "choice" and not value[0] < value[1]:
            raise ValueError(f"{kind}: expected the smaller number first, found {list(value)}")
        if kind == "log_uniform" and value[0] <= 0:
            raise ValueError(f"log_uniform: expected numbers above 0, found {list(value)}")
        if kind == "integer" and value[2:] and value[2] < 1:
            raise ValueError(f"integer: expected numbers at least 1 apart, found {list(value)}")
        if self.first is not None and not holds(self.dimension, self.first):
            raise ValueError(f"first: expected one of {kind}: {list(value)}, found {self.first}")
        return self

    @property
    def dimension(self) -> Dimension:
        """The same for the search."""
        first: Any = self.first
        if self.uniform:
            return Uniform(*self.uniform, first=first)
        if self.log_uniform:
            return LogUniform(*self.log_uniform, first=first)
        if self.integer:
            low, high, *step = self.integer
            return Integer(low, high, step[0] if step else 1, first)
        return Choice(self.choice or (), first=first)


class Tune(Section):
    """The search: how many trials, judged by which metric."""

    trials: int = Field(default=10, ge=1, le=1000, description="how many; each family is tried at least once")
    parallelism: int = Field(
        default=2, ge=1, le=64, description="trials at a time, of a round's; it changes no result"
    )
    round: int = Field(default=4, ge=1, le=64, description="trials drawn together, each round from all rounds before")
    metric: str | None = Field(
        default=None, description="what they are judged by; default: log_loss, for a regression rmse"
    )
    sample: float = Field(default=1.0, gt=0, le=1, description="share of the training rows that the search sees")
    early: float | None = Field(
        default=None, gt=0, le=1, description="share of those that all trials are run on; as large a share of the "
        "trials, the best of each family, then see all of them. Default: 0.1 where that holds 100,000 rows, and 5,000 "
        "of the rarest class, and a family has more than a trial; else 1: every trial sees all"
    )
    patience: int | None = Field(default=None, ge=1, description="the end after so many trials without a better one")
    time: Span | None = Field(
        default=None, description="no round begins after so long; the one limit that depends on the machine's speed. "
        "What `early` still runs on all rows then comes after it"
    )
    space: dict[str, dict[str, Range]] = Field(
        default={}, description="family: parameter (as the family's library names it): what it is drawn from, in place "
        "of or beside the family's own space"
    )

    def dimensions(self, family: str) -> Space:
        """What the file says of a family's space."""
        return {name: given.dimension for name, given in self.space.get(family, {}).items()}
