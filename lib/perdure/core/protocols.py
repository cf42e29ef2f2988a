"""The shared types on one page; read this first. Steps turn inputs into a `StepResult`; only `perdure.run` does I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

from .gate import GateResult
from .interval import Interval
from .record import JSON, RunRecord, TableVersion
from .space import Params, Space

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.ml import Estimator
    from pyspark.sql import DataFrame

__all__ = [
    "JSON",
    "GateResult",
    "Interval",
    "ModelFamily",
    "Read",
    "RunRecord",
    "State",
    "Statistic",
    "StepResult",
    "TableVersion",
    "Write",
]


@dataclass(frozen=True)
class Read:
    """A step's wish for one table: its rows with event time in [since, until); None is without a bound. `column`
    is the event-time column that bounds them (None: the whole table). A missing `optional` table is left out."""

    table: str
    column: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    optional: bool = False


@dataclass(frozen=True)
class Write:
    """Rows for one table. `replace`: they take the place of this interval's rows. `append`: added once a run id."""

    table: str
    rows: DataFrame
    mode: Literal["replace", "append"] = "replace"


@dataclass(frozen=True)
class StepResult:
    """What a step gives back: rows to write, facts for the record (JSON-ready), the gate where there is one, and
    `value` for what isn't rows (a fitted model, a decision), which `perdure.run` hands on. `committed`: how many rows
    a table's write must turn out to hold, where the step has counted them."""

    writes: tuple[Write, ...] = ()
    facts: Mapping[str, JSON] = field(default_factory=dict)
    gate: GateResult | None = None
    value: Any = None
    committed: Mapping[str, int] = field(default_factory=dict)


class State(Protocol):
    """A commutative monoid over rows of one column: `zero` is its class's empty value, `add` takes a batch, `+` merges.
    Adding unlike states (other edges, other parameters) raises ValueError."""

    def add(self, values: pa.Array) -> State:
        """This state with a batch of values taken in."""

    def __add__(self, other: Any) -> State:
        """The state of both sides' rows together."""

    def to_dict(self) -> dict[str, JSON]:
        """JSON-ready, with `kind` and `version`."""


class Statistic(Protocol):
    """Compares two states. It never sees rows, so a new one can be back-filled over all history."""

    threshold: float

    def __call__(self, reference: Any, current: Any) -> float | None:
        """The statistic, or None where it isn't defined for these states."""


class ModelFamily(Protocol):
    """One MLlib model family: the module `perdure.models.<name>` gives these as module-level members."""

    tasks: tuple[str, ...]
    encoding: Literal["onehot", "index"]
    space: Space

    def estimator(self, params: Params, task: str, seed: int) -> Estimator[Any]:
        """An unfitted estimator over columns `features` and `label`."""
