"""What every state needs of an Arrow array: its numbers, its texts, and a check that two states are alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Counted = NDArray[np.int64]


_LOOK = 4096  # values looked at to tell whether a batch repeats itself


def repeated(values: pa.Array) -> tuple[pa.Array, Counted] | None:
    """Each different value (a null among them) and how often it occurs; None for a short batch, and for one whose
    beginning hardly repeats a value, where counting would cost more than it saves."""
    if len(values) < 2 * _LOOK or pc.count_distinct(values.slice(0, _LOOK), mode="all").as_py() > _LOOK // 2:
        return None
    found = pc.value_counts(values)
    return found.field("values"), found.field("counts").to_numpy()


def counted_numbers(values: pa.Array, counts: Counted) -> tuple[Numbers, Counted]:
    """As `numbers`, with the counts that belong to them."""
    if values.null_count:
        counts = counts[values.is_valid().to_numpy(zero_copy_only=False)]
    return numbers(values), counts


def counted_finite(values: pa.Array, counts: Counted) -> tuple[Numbers, Counted]:
    """As `finite`, with the counts that belong to them."""
    found, counts = counted_numbers(values, counts)
    keep = np.isfinite(found)
    return found[keep], counts[keep]


def numbers(values: pa.Array) -> Numbers:
    """The values that aren't null, as float64; infinities and NaN included, -0.0 as 0.0."""
    if not pa.types.is_float64(values.type):
        values = values.cast(pa.float64(), safe=False)
    found: Numbers = values.drop_null().to_numpy(zero_copy_only=False)
    return found + 0.0


def finite(values: pa.Array) -> Numbers:
    """The finite values as float64."""
    found = numbers(values)
    keep = np.isfinite(found)
    return found if keep.all() else found[keep]


def is_number(values: pa.Array) -> bool:
    """Whether the array holds numbers (booleans don't count as such)."""
    kind = values.type
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def texts(values: pa.Array) -> pa.Array:
    """The values that aren't null, as strings; booleans become `true` and `false`."""
    return values.drop_null().cast(pa.string())


def counted(values: pa.Array) -> dict[str, int]:
    """Each text and how often it occurs, nulls left out."""
    found = pc.value_counts(texts(values))
    return dict(zip(found.field("values").to_pylist(), found.field("counts").to_pylist(), strict=True))


def check_like(left: object, right: object, *parameters: str) -> None:
    """Raise ValueError unless both are of one class and agree in the named parameters."""
    if type(left) is not type(right):
        raise ValueError(f"only states of one kind add, found {type(left).__name__} and {type(right).__name__}")
    for name in parameters:
        ours, theirs = getattr(left, name), getattr(right, name)
        if ours != theirs:
            raise ValueError(
                f"{type(left).__name__} states must share their {name} to add, "
                f"found {_short(ours)} and {_short(theirs)}"
            )


def check_version(data: Mapping[str, Any], kind: str, version: int) -> None:
    """Raise ValueError unless `data` is a stored state of this kind and version."""
    if (data.get("kind"), data.get("version")) != (kind, version):
        raise ValueError(
            f"expected a stored '{kind}' of version {version}, "
            f"found '{data.get('kind')}' of version {data.get('version')}"
        )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
