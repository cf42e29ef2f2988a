"""Writes `fairlearn.json`: what Fairlearn gives for shared predictions, and the predictions.

Run by hand, in an environment of its own: pip install fairlearn. Decisions, labels and groups are drawn so that the
groups differ in base rate, in errors and in size; every group has rows of both classes.
"""

from __future__ import annotations

import json
from pathlib import Path

import fairlearn
import numpy as np
from fairlearn import metrics

METRICS = tuple(f"{name}_{form}" for name in ("demographic_parity", "equal_opportunity", "equalized_odds")
                for form in ("difference", "ratio"))


def main() -> None:
    """Draws 900 rows in four groups and writes them beside this file."""
    chance = np.random.default_rng(11)
    group = chance.choice(["a", "b", "c", "d"], 900, p=[0.5, 0.3, 0.15, 0.05])
    lift = {"a": 0.0, "b": 0.1, "c": -0.15, "d": 0.2}
    p = np.clip(chance.beta(2, 3, 900) + np.array([lift[each] for each in group]), 0.01, 0.99).round(4)
    y = (chance.uniform(size=900) < np.clip(p + chance.normal(0, 0.1, 900), 0, 1)).astype(int)
    chosen = (p > 0.5).astype(int)
    frame = metrics.MetricFrame(
        metrics={"selection_rate": metrics.selection_rate, "true_positive_rate": metrics.true_positive_rate,
                 "false_positive_rate": metrics.false_positive_rate},
        y_true=y, y_pred=chosen, sensitive_features=group)
    wanted = {name: float(getattr(metrics, name)(y, chosen, sensitive_features=group)) for name in METRICS}
    data = {"fairlearn": fairlearn.__version__, "group": group.tolist(), "p": p.tolist(), "y": y.tolist(),
            "metrics": wanted, "by_group": {name: {key: float(value) for key, value in column.items()}
                                            for name, column in frame.by_group.to_dict().items()}}
    Path(__file__).with_name("fairlearn.json").write_text(json.dumps(data) + "\n")


if __name__ == "__main__":
    main()
