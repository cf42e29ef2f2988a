"""Statistics against Evidently and NannyML on NannyML's bundled data: equal to 1e-9 over the same cells.

`peers.json` holds the data and their answers; `make_peers.py` made it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from perdure.drift.compare import members
from perdure.profile.profile import Column, ColumnProfile

PEERS: dict[str, Any] = json.loads(Path(__file__).with_name("peers.json").read_text())
TOLERANCE = 1e-9
ANSWERS = [(column, peer, name) for column, found in PEERS.items() for peer in ("evidently", "nannyml")
           for name in found.get(peer, ())]


def sides(column: str, edges: Any = None) -> list[ColumnProfile]:
    """The column's two profiles; numbers over `edges`, else a cell for each value."""
    data = PEERS[column]
    both = [data["reference"], data["current"]]
    if isinstance(both[0][0], str):
        start = ColumnProfile.start(Column("string", "categorical", names=tuple(sorted(set(both[0])))))
    else:
        cells = sorted({*both[0], *both[1]}) if edges is None else edges
        start = ColumnProfile.start(Column("double", "numeric", edges=tuple(float(edge) for edge in cells)))
    return [start.add(pa.array(values)) for values in both]


@pytest.mark.parametrize(("column", "peer", "name"), ANSWERS)
def test_equal_on_the_same_cells(column: str, peer: str, name: str) -> None:
    edges = None
    if column == "ratio" and name in ("js_distance", "hellinger_distance"):
        edges = PEERS[column]["bins"]
        edges[-1] = float(np.nextafter(edges[-1], np.inf))  # numpy's last bin holds its upper end
    found = members()[name].statistic(*sides(column, edges))
    normed = name == "normed_wasserstein_distance"  # Evidently divides by the deviation with divisor n, not n - 1
    factor = np.sqrt((len(PEERS[column]["reference"]) - 1) / len(PEERS[column]["reference"])) if normed else 1
    assert found / factor == pytest.approx(PEERS[column][peer][name], abs=TOLERANCE)


def test_kl_divergence_is_scipys_entropy() -> None:
    data = PEERS["whole"]
    order = sorted({*data["reference"], *data["current"]})
    p, q = (np.array([values.count(each) for each in order]) for values in (data["reference"], data["current"]))
    assert members()["kl_divergence"].statistic(*sides("whole")) == pytest.approx(stats.entropy(p, q), abs=1e-12)


def test_kl_divergence_and_its_mirror_image_are_the_stability_index() -> None:
    ours, theirs = sides("salary")
    kl, psi = members()["kl_divergence"].statistic, members()["population_stability_index"].statistic
    assert kl(ours, theirs) + kl(theirs, ours) == pytest.approx(psi(ours, theirs), abs=1e-12)


def test_ks_error_is_at_most_the_largest_cell() -> None:
    data = PEERS["ratio"]
    edges = np.unique(np.quantile(data["reference"], np.arange(100) / 100))
    found = members()["ks_test"].statistic(*sides("ratio", edges))
    assert PEERS["ratio"]["nannyml"]["ks_test"] - 0.0125 <= found <= PEERS["ratio"]["nannyml"]["ks_test"]
