"""Writes `multivariate.json`: what NannyML's data reconstruction gives for shared data, and the data.

Run by hand, in an environment of its own: pip install nannyml==0.13.1 'pandas<3'. The data are rows of NannyML's
bundled car loans, with a few gaps: a reference, and chunks from before and after its drift. `mean` is NannyML's figure;
`root` the root of the mean square of the same distances, from its own fitted encoder, scaler and components.
"""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"
import nannyml

NUMBERS = ["car_value", "debt_to_income_ratio", "loan_length", "driver_tenure"]
TEXTS = ["salary_range", "repaid_loan_on_prev_car", "size_of_downpayment"]
ROWS, CHUNK = 400, 150


def gaps(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    """With three in a hundred values missing in one number and one text."""
    rng = np.random.default_rng(seed)
    frame = frame[[*NUMBERS, *TEXTS]].round(3).astype(dict.fromkeys(TEXTS, str)).reset_index(drop=True)
    for name in ("loan_length", "salary_range"):
        frame[name] = frame[name].mask(rng.random(len(frame)) < 0.03)
    return frame


def errors(calculator: Any, frame: pd.DataFrame) -> dict[str, float]:
    """NannyML's own mean distance, and the root of the mean square of the distances behind it."""
    mean, _ = calculator._calculate_dre_results(frame.copy())
    filled, texts, numbers = frame.copy(), calculator.categorical_column_names, calculator.continuous_column_names
    filled[texts] = calculator._imputer_categorical.transform(filled[texts])
    filled[numbers] = calculator._imputer_continuous.transform(filled[numbers])
    rows = calculator._scaler.transform(calculator._encoder.transform(filled[calculator.column_names]).to_numpy())
    rebuilt = calculator._pca.inverse_transform(calculator._pca.transform(rows))
    distances = np.linalg.norm(rows - rebuilt, axis=1)
    assert np.isclose(distances.mean(), mean)
    return {"mean": float(mean), "root": float(np.sqrt((distances**2).mean()))}


def main() -> None:
    before, after, _ = nannyml.load_synthetic_car_loan_dataset()
    reference = gaps(before.iloc[:ROWS], 0)
    chunks = [gaps(frame, seed) for seed, frame in enumerate(
        (before.iloc[5000:5000 + CHUNK], after.iloc[1000:1000 + CHUNK], after.iloc[-CHUNK:]), 1)]
    calculator = nannyml.DataReconstructionDriftCalculator(
        column_names=[*NUMBERS, *TEXTS], chunk_size=ROWS).fit(reference.copy())
    result = {
        "reference": {name: reference[name].where(reference[name].notna(), None).tolist() for name in reference},
        "components": int(calculator._pca.n_components_),
        "chunks": [{"rows": {name: chunk[name].where(chunk[name].notna(), None).tolist() for name in chunk},
                    **errors(calculator, chunk)} for chunk in (reference, *chunks)],
    }
    text = json.dumps(result).replace("NaN", "null")
    Path(__file__).with_name("multivariate.json").write_text(text + "\n")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
