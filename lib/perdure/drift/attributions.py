"""Drift of attributions: whether a model leans on the same features, in the same order, as it did on its reference.

Normalised discounted cumulative gain, as Amazon SageMaker Clarify takes it: the features in the order of what they
contribute now, each worth what it contributed on the reference, discounted by the logarithm of its place, divided by
the same in the reference's own order. 1 where the order is the same; below 0.9 is an alarm there, and here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

LOW = 0.9


def gain(reference: Mapping[str, float], current: Mapping[str, float]) -> float | None:
    """From 0 to 1, by mean absolute contributions; None where nothing contributed. A feature that one side lacks counts
    as contributing nothing there."""
    names = sorted({*reference, *current})
    then, now = (sorted(names, key=lambda name: (-side.get(name, 0.0), name)) for side in (reference, current))
    best = _discounted([reference.get(name, 0.0) for name in then])
    return _discounted([reference.get(name, 0.0) for name in now]) / best if best > 0 else None


def facts(reference: Mapping[str, float], current: Mapping[str, float]) -> dict[str, Any]:
    """What monitoring records: `gain`, `drifted`, and of the five features whose share of all contributions changed
    most, the share then and now."""
    found = gain(reference, current)
    then, now = _shares(reference), _shares(current)
    names = sorted({*then, *now}, key=lambda name: (-abs(now.get(name, 0.0) - then.get(name, 0.0)), name))
    return {
        "gain": found,
        "drifted": found is not None and found < LOW,
        "columns": {name: [float(f"{side.get(name, 0.0):.4g}") for side in (then, now)] for name in names[:5]},
        "importance": {name: float(f"{value:.6g}") for name, value in current.items()},
    }


def _discounted(worth: list[float]) -> float:
    return sum(each / math.log2(place + 1) for place, each in enumerate(worth, 1))


def _shares(of: Mapping[str, float]) -> dict[str, float]:
    total = sum(of.values())
    return {name: value / total if total else 0.0 for name, value in of.items()}
