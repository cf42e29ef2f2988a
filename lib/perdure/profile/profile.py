"""A profile: column -> states. Itself a state, so a profile of any window or slice is a sum of smaller
ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from perdure.core import registry

from ._values import check_version, repeated
from .joint import Joint

if TYPE_CHECKING:
    import pyarrow as pa

    from perdure.core.protocols import State

Kind = Literal["numeric", "categorical"]
Slice = tuple[str | None, str | None]
ALL: Slice = (None, None)
_PACKAGE = "perdure.profile"
_S = TypeVar("_S")


@cache
def members() -> dict[str, Any]:
    """The modules of all registered states, by name."""
    return {name: registry.load(_PACKAGE, name) for name in registry.names(_PACKAGE)}


@dataclass(frozen=True)
class Column:
    """What a state needs to know before the first row: SQL type, kind, histogram edges, the reference's
    categories."""

    data_type: str
    kind: Kind
    edges: tuple[float, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class ColumnProfile:
    """The states of one column, by registered name."""

    data_type: str
    kind: Kind
    states: Mapping[str, State]

    @classmethod
    def start(cls, column: Column) -> ColumnProfile:
        """The empty profile of a column: each registered state that has something to say about it."""
        states = {name: module.start(column) for name, module in members().items()}
        return cls(
            column.data_type,
            column.kind,
            {name: state for name, state in states.items() if state is not None},
        )

    def get(self, kind: type[_S]) -> _S | None:
        """The state of this class, where the column has it."""
        return next((state for state in self.states.values() if isinstance(state, kind)), None)

    def need(self, kind: type[_S]) -> _S:
        """The state of this class. Raises ValueError where the column lacks it."""
        state = self.get(kind)
        if state is None:
            raise ValueError(f"a {self.kind} column with {', '.join(self.states)} has no {kind.__name__} state")
        return state

    def zero(self) -> ColumnProfile:
        """The empty profile with the same states, edges and categories."""
        return self._like({name: state.zero() for name, state in self.states.items()})  # type: ignore[attr-defined]

    def coarse(self) -> ColumnProfile:
        """The empty profile with smaller states, of those that have any."""
        empty = self.zero().states.items()
        return self._like({name: state.coarse() if hasattr(state, "coarse") else state for name, state in empty})

    def add(self, values: pa.Array) -> ColumnProfile:
        """This profile with a batch of values taken in; values that repeat are counted once for all states."""
        found = repeated(values)
        if found is None:
            return self._like({name: state.add(values) for name, state in self.states.items()})
        return self._like({
            name: state.add_counted(*found) if hasattr(state, "add_counted") else state.add(values)
            for name, state in self.states.items()
        })

    def __add__(self, other: ColumnProfile) -> ColumnProfile:
        if (self.data_type, self.kind, self.states.keys()) != (
            other.data_type,
            other.kind,
            other.states.keys(),
        ):
            raise ValueError(
                f"only profiles of like columns add, found {self.data_type} with {sorted(self.states)} "
                f"and {other.data_type} with {sorted(other.states)}"
            )
        return self._like({name: state + other.states[name] for name, state in self.states.items()})

    def _like(self, states: Mapping[str, State]) -> ColumnProfile:
        return ColumnProfile(self.data_type, self.kind, states)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "kind": "column",
            "version": 1,
            "data_type": self.data_type,
            "column_kind": self.kind,
            "states": [state.to_dict() for state in self.states.values()],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ColumnProfile:
        """The inverse of `to_dict`. Raises ValueError for a state that isn't registered (any more)."""
        check_version(data, "column", 1)
        unknown = {stored["kind"] for stored in data["states"]} - members().keys()
        if unknown:
            raise ValueError(f"{_PACKAGE} has no {', '.join(sorted(unknown))}; it has: {', '.join(members())}")
        states = {stored["kind"]: members()[stored["kind"]].STATE.from_dict(stored) for stored in data["states"]}
        return cls(data["data_type"], data["column_kind"], states)


@dataclass(frozen=True)
class Profile:
    """The profiles of a table's columns, by column name; and, where wanted, how some of them go together."""

    columns: Mapping[str, ColumnProfile] = field(default_factory=dict)
    joint: Joint | None = None

    @property
    def rows(self) -> int:
        """How many rows have been taken in."""
        from .counts import Counts

        return max((column.need(Counts).rows for column in self.columns.values()), default=0)

    def zero(self) -> Profile:
        """The empty profile of the same columns: what a scan needs to profile other rows comparably."""
        joint = self.joint.zero() if self.joint else None
        return Profile({name: column.zero() for name, column in self.columns.items()}, joint)

    def coarse(self) -> Profile:
        """The empty profile of the same columns for one of many parts of the rows: smaller, and less exact."""
        joint = self.joint.zero() if self.joint else None
        return Profile({name: column.coarse() for name, column in self.columns.items()}, joint)

    def alone(self) -> Profile:
        """The columns, each by itself."""
        return Profile(self.columns)

    def beside(self, other: Profile) -> Profile:
        """The columns of both: of the same rows, each side has its own."""
        return Profile({**self.columns, **other.columns}, self.joint or other.joint)

    def only(self, names: Iterable[str]) -> Profile:
        """The named columns that it has, in its own order; together only where all that go together are named."""
        wanted = set(names)
        joint = self.joint if self.joint and wanted.issuperset(self.joint.columns) else None
        return Profile({name: column for name, column in self.columns.items() if name in wanted}, joint)

    def add(self, values: pa.Table | pa.RecordBatch) -> Profile:
        """This profile with a batch of rows taken in; the batch may have more columns."""
        arrays = {name: _array(values, name) for name in self.columns}
        joint = self.joint.add({name: arrays[name] for name in self.joint.columns}) if self.joint else None
        return Profile({name: column.add(arrays[name]) for name, column in self.columns.items()}, joint)

    def __add__(self, other: Profile) -> Profile:
        if self.columns.keys() != other.columns.keys():
            raise ValueError(
                f"only profiles of the same columns add; only one side has: "
                f"{', '.join(sorted(self.columns.keys() ^ other.columns.keys()))}"
            )
        if (self.joint is None) != (other.joint is None):
            raise ValueError("only one of the two profiles says how its columns go together")
        joint = self.joint + other.joint if self.joint and other.joint else None
        return Profile({name: column + other.columns[name] for name, column in self.columns.items()}, joint)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "kind": "profile",
            "version": 1,
            "columns": {name: column.to_dict() for name, column in self.columns.items()},
            **({"joint": self.joint.to_dict()} if self.joint else {}),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Profile:
        """The inverse of `to_dict`."""
        check_version(data, "profile", 1)
        joint = Joint.from_dict(data["joint"]) if "joint" in data else None
        return cls({name: ColumnProfile.from_dict(column) for name, column in data["columns"].items()}, joint)


def _array(values: pa.Table | pa.RecordBatch, name: str) -> pa.Array:
    column = values.column(name)
    return column.combine_chunks() if hasattr(column, "combine_chunks") else column
