"""Writes `domain.json`: what NannyML's domain classifier, and a random forest of scikit-learn, give for `rows`.

Run by hand, in an environment of its own: pip install nannyml==0.13.1 'pandas<3'. NannyML's is LightGBM in five folds.
"""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

KINDS = ("same", "apart", "later", "new", "other")
MANY = 1500


def rows(kind: str, seed: int) -> pd.DataFrame:
    """Two numbers that go together, a third, and a text. `apart`: the two no longer do, each as before by itself;
    `later`: the third is half a deviation greater; `new`: one text in five is a new one; `other`: all of it."""
    random = np.random.RandomState(seed)
    x, noise, z = random.standard_normal((3, MANY)).round(6)
    y = np.where(kind in ("apart", "other"), -x, x) + 0.5 * noise
    text = np.array(["a", "b", "c"])[random.choice(3, MANY, p=[0.6, 0.3, 0.1])]
    if kind in ("new", "other"):
        text = np.where(random.random_sample(MANY) < 0.2, "d", text)
    gap = random.random_sample(MANY) < 0.05
    return pd.DataFrame({"x": x, "y": y.round(6), "z": np.where(gap, np.nan, z + 0.5 * (kind in ("later", "other"))),
                         "text": text})


def forest(before: pd.DataFrame, now: pd.DataFrame) -> float:
    """The area by scikit-learn, in two folds."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    both = pd.concat([before, now]).fillna(-1e300)
    both["text"] = both["text"].astype("category").cat.codes
    label = np.repeat([0, 1], [len(before), len(now)])
    model = RandomForestClassifier(n_estimators=20, max_depth=6, random_state=1)
    folds = StratifiedKFold(2, shuffle=True, random_state=1)
    chances = cross_val_predict(model, both.clip(-1e30).to_numpy(float), label, cv=folds, method="predict_proba")
    return float(roc_auc_score(label, chances[:, 1]))


def main() -> None:
    """Both areas of each kind."""
    os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"
    import nannyml

    before, found = rows("same", 0), {}
    for seed, kind in enumerate(KINDS, 1):
        now = rows(kind, seed)
        calculator = nannyml.DomainClassifierCalculator(feature_column_names=list(before), chunk_size=MANY)
        table = calculator.fit(before.copy()).calculate(now.copy()).filter(period="analysis").to_df()
        area = float(table[("domain_classifier_auroc", "value")].iloc[0])
        found[kind] = {"nannyml": area, "forest": forest(before, now)}
    Path(__file__).with_name("domain.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
