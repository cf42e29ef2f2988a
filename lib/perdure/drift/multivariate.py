"""Multivariate drift: how badly the reference's principal components rebuild the current rows.

NannyML's data reconstruction (categories encoded by their frequency, gaps filled, standardised, as many components as
explain 65% of the variance; all fitted on the reference), but that the error is the root of the rows' mean squared
distance, where NannyML takes the mean of the distances: the squares follow from stored sums, whatever the window, and
no row is read again. Both grow when columns that went together no longer do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from perdure.profile.joint import Joint

EXPLAINED = 0.65
"""Share of the reference's variance that the components explain, at least (NannyML's default)."""
LEAST = 3  # intervals of the reference from which bounds are known


@dataclass(frozen=True)
class Reconstruction:
    """`error`: in standard deviations of a column; `columns`: each one's share of its square, the greatest first."""

    error: float
    columns: Mapping[str, float]
    components: int


def reconstruct(reference: Joint, current: Joint) -> Reconstruction | None:
    """The current rows' error; None where a side has no rows. Raises ValueError where the two were encoded unlike."""
    if reference.codes != current.codes:
        raise ValueError("two joint states compare only where their columns were encoded alike")
    if not reference.rows or not current.rows:
        return None
    means, scales = reference.means(), _scales(reference)
    components = _components(_moments(reference, means, scales))
    left = np.eye(len(means)) - components @ components.T
    each = np.maximum(np.diag(left @ _moments(current, means, scales) @ left), 0.0)
    total = float(each.sum())
    order = sorted(range(len(each)), key=lambda at: (-each[at], at))
    shares = {reference.columns[at]: float(each[at]) / total if total else 0.0 for at in order}
    return Reconstruction(math.sqrt(total), shares, components.shape[1])


def errors(parts: Sequence[Joint]) -> list[float]:
    """The error of each interval of the reference, by the components of the whole."""
    filled = [part for part in parts if part.rows]
    if len(filled) < LEAST:
        return []
    whole = sum(filled[1:], filled[0])
    found = (reconstruct(whole, part) for part in filled)
    return [each.error for each in found if each is not None]


def bounds(known: Sequence[float], false_alarms: float) -> tuple[float, float] | None:
    """Between which the error of one more interval lies with the chance 1 - `false_alarms` while nothing changes
    (Student's t over the reference's own intervals); None where those are too few."""
    from scipy.stats import t

    many = len(known)
    if many < LEAST:
        return None
    reach = float(t.ppf(1 - false_alarms / 2, many - 1)) * float(np.std(known, ddof=1)) * math.sqrt(1 + 1 / many)
    return max(float(np.mean(known)) - reach, 0.0), float(np.mean(known)) + reach


def facts(reference: Joint, current: Joint, known: Sequence[float], false_alarms: float) -> dict[str, Any] | None:
    """What monitoring records: the error, the reference's, the bounds, and the columns that it sits in."""
    found, own = reconstruct(reference, current), reconstruct(reference, reference)
    if found is None or own is None:
        return None
    low, high = bounds(known, false_alarms) or (None, None)
    return {
        "error": found.error,
        "reference": own.error,
        "low": low,
        "high": high,
        "drifted": low is not None and high is not None and not low <= found.error <= high,
        "components": found.components,
        "columns": {name: float(f"{share:.4g}") for name, share in list(found.columns.items())[:5]},
    }


def _scales(reference: Joint) -> NDArray[np.float64]:
    variance = np.diag(reference.second()) - reference.means() ** 2
    return np.where(variance > 1e-12, np.sqrt(np.maximum(variance, 1e-300)), 1.0)


def _moments(state: Joint, means: NDArray[np.float64], scales: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean products of columns standardised by the reference."""
    mine = state.means()
    found = state.second() - np.outer(means, mine) - np.outer(mine, means) + np.outer(means, means)
    result: NDArray[np.float64] = found / np.outer(scales, scales)
    return result


def _components(correlations: NDArray[np.float64]) -> NDArray[np.float64]:
    """The leading eigenvectors, as columns: the fewest that explain more than `EXPLAINED`, as scikit-learn counts."""
    values, vectors = np.linalg.eigh(correlations)
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    reached = np.cumsum(values) / max(values.sum(), 1e-300)
    many = int(np.searchsorted(reached, EXPLAINED, side="right")) + 1
    found: NDArray[np.float64] = vectors[:, :many]
    return found
