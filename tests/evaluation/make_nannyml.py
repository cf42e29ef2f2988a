"""Writes `nannyml.json` and `nannyml_census.csv.gz`: what NannyML expects of its bundled data, and the data.

Run by hand, in an environment of its own: pip install nannyml==0.13.1 'pandas<3'. Car loans: 50,000 rows of reference,
50,000 in ten chunks, probabilities of two digits, so that they are kept as counts. Census (employment in Massachusetts,
the American Community Survey): probabilities in full, 4,000 rows of reference and two chunks of 2,000. Regression
(prices of used cars): errors by prediction, only for a comparison, since its estimator is a boosted tree.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import nannyml
import numpy as np
import pandas as pd
from nannyml.performance_estimation.confidence_based import cbpe

HERE = Path(__file__).parent
METRICS = {"roc_auc": "area_under_roc", "average_precision": "average_precision", "f1": "f1", "precision": "precision",
           "recall": "recall", "specificity": "specificity", "accuracy": "accuracy"}
VALUES = [[1, -2], [-10, 5]]  # of true negative, false positive; false negative, true positive
CONFUSION = ("true_negative", "false_positive", "false_negative", "true_positive")


def estimates(before: pd.DataFrame, after: pd.DataFrame, size: int, *, calibrate: bool) -> list[dict[str, Any]]:
    """A chunk's estimates and sampling errors, with NannyML made to calibrate or not."""
    cbpe.needs_calibration = lambda **_: calibrate
    estimator = nannyml.CBPE(
        y_pred_proba="p", y_pred="hard", y_true="y", problem_type="classification_binary", chunk_size=size,
        metrics=[*METRICS, "confusion_matrix", "business_value"], business_value_matrix=VALUES)
    found = estimator.fit(before).estimate(after).filter(period="analysis").to_df()
    result = []
    for _, row in found.iterrows():
        values = {ours: row[(theirs, "value")] for theirs, ours in METRICS.items()}
        errors = {ours: row[(theirs, "sampling_error")] for theirs, ours in METRICS.items()}
        values |= {name: row[(name, "value")] for name in (*CONFUSION, "business_value")}
        result.append({"values": values, "errors": errors})
    return result


def both(before: pd.DataFrame, after: pd.DataFrame, size: int) -> dict[str, Any]:
    return {name: estimates(before, after, size, calibrate=flag)
            for name, flag in (("calibrated", True), ("plain", False))}


def car_loan() -> dict[str, Any]:
    before, after, _ = nannyml.load_synthetic_car_loan_dataset()
    before, after = (pd.DataFrame({"p": side["y_pred_proba"], "hard": (side["y_pred_proba"] > 0.5).astype(int),
                                   "y": side.get("repaid", 0)}) for side in (before, after))
    counts = before.groupby(["p", "y"]).size()
    chunks = [after["p"].iloc[start:start + 5000].value_counts().sort_index() for start in range(0, 50_000, 5000)]
    return {"reference": [[p, int(y), int(n)] for (p, y), n in counts.items()],
            "chunks": [[[float(p), int(n)] for p, n in chunk.items()] for chunk in chunks],
            "estimates": both(before, after, 5000)}


def census() -> dict[str, Any]:
    before, after, targets = nannyml.load_us_census_ma_employment_data()
    sides = []
    for side, y, rows in ((before, before["employed"], 4000), (after, None, 4000)):
        part = side.iloc[:rows]
        sides.append(pd.DataFrame({
            "p": part["predicted_probability"].astype(float).to_numpy(),
            "hard": (part["predicted_probability"] > 0.5).astype(int).to_numpy(),
            "y": (y.iloc[:rows] if y is not None else targets["employed"].iloc[:rows]).astype(int).to_numpy()}))
    before, after = sides
    result = both(before, after, 2000)
    labelled = pd.concat([before.assign(part="reference"), after.assign(part=np.arange(4000) // 2000)])
    labelled.drop(columns="hard").to_csv(HERE / "nannyml_census.csv.gz", index=False,
                                         compression={"method": "gzip", "mtime": 0})
    return {"estimates": result}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    (HERE / "nannyml.json").write_text(json.dumps({"car_loan": car_loan(), "census": census()}) + "\n")
