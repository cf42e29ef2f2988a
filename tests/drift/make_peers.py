"""Writes `peers.json`: what Evidently and NannyML give for shared data, and the data.

Run by hand, in an environment of its own: pip install nannyml==0.13.1 evidently==0.7.23 'pandas<3'. The data are
NannyML's bundled car loans: the first rows of the reference, and rows from its drifted half.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import nannyml
import numpy as np
import pandas as pd
from evidently.legacy.calculations import stattests as evidently
from evidently.legacy.core import ColumnType
from nannyml.drift.univariate.methods import FeatureType, MethodFactory

ROWS = 800
EVIDENTLY = {
    "kl_divergence": (evidently.kl_div_stat_test, 1),
    "population_stability_index": (evidently.psi_stat_test, 1),
    "js_distance": (evidently.jensenshannon_stat_test, np.sqrt(np.log(2))),  # natural logarithms there
    "hellinger_distance": (evidently.hellinger_stat_test, 1),
}
NANNYML = {
    "continuous": {"js_distance": "jensen_shannon", "ks_test": "kolmogorov_smirnov",
                   "wasserstein_distance": "wasserstein", "hellinger_distance": "hellinger"},
    "categorical": {"js_distance": "jensen_shannon", "chi_squared_test": "chi2", "l_infinity_distance": "l_infinity",
                    "hellinger_distance": "hellinger"},
}


def from_evidently(reference: pd.Series, current: pd.Series, kind: str) -> dict[str, float]:
    """The binned statistics; a numeric column has few values, so that its bins are the values."""
    which = ColumnType.Numerical if kind == "numeric" else ColumnType.Categorical
    found = {}
    for name, (test, scale) in EVIDENTLY.items():
        if name != "hellinger_distance" or kind == "categorical":
            drift, _ = test.func(reference.copy(), current.copy(), which, 0.1)
            found[name] = float(drift) / float(scale)
    return found


def from_nannyml(reference: pd.Series, current: pd.Series, kind: str) -> dict[str, float]:
    found = {}
    for name, key in NANNYML[kind].items():
        method: Any = MethodFactory.create(
            key=key, feature_type=FeatureType(kind), chunker=nannyml.chunk.SizeBasedChunker(ROWS), threshold=None)
        method._fit(reference)
        found[name] = float(method._calculate(current))
    return found


def main() -> None:
    before, after, _ = nannyml.load_synthetic_car_loan_dataset()
    before, after = before.iloc[:ROWS], after.iloc[-ROWS:]
    whole = [side["driver_tenure"].round() for side in (before, after)]
    ratio = [side["debt_to_income_ratio"].round(4) for side in (before, after)]
    salary = [side["salary_range"] for side in (before, after)]
    bins = np.histogram_bin_edges(ratio[0], bins="doane")
    scale = evidently.wasserstein_stat_test.func(ratio[0], ratio[1], ColumnType.Numerical, 0.1)[0]
    result = {
        "whole": {"reference": whole[0].tolist(), "current": whole[1].tolist(),
                  "evidently": from_evidently(*whole, "numeric")},
        "salary": {"reference": salary[0].tolist(), "current": salary[1].tolist(),
                   "evidently": from_evidently(*salary, "categorical"),
                   "nannyml": from_nannyml(*salary, "categorical")},
        "ratio": {"reference": ratio[0].tolist(), "current": ratio[1].tolist(), "bins": bins.tolist(),
                  "nannyml": from_nannyml(*ratio, "continuous"),
                  "evidently": {"normed_wasserstein_distance": float(scale)}},
    }
    Path(__file__).with_name("peers.json").write_text(json.dumps(result) + "\n")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
