"""Writes `census.csv.gz`: 6,000 adults of Massachusetts, who works and who is disabled (American Community Survey).

Run by hand, in an environment of its own: pip install nannyml==0.13.1 'pandas<3' (the package bundles the survey).
Columns: id, age, schooling, marital, sex, disabled (yes, no), employed (0, 1).
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pandas as pd


def main() -> None:
    """Draws the rows and writes them beside this file; an argument names the folder of the survey."""
    spec = find_spec("nannyml")
    found = Path(spec.origin).parent / "datasets" / "data" if spec and spec.origin else Path(sys.argv[1])
    whole = pd.read_parquet(found / "employment_MA_reference.pq")
    adults = whole[whole.AGEP.between(18, 64)].sample(6000, random_state=5)
    rows = pd.DataFrame({
        "id": range(len(adults)), "age": adults.AGEP.astype(int).to_numpy(), "schooling": adults.SCHL.to_numpy(),
        "marital": adults.MAR.to_numpy(), "sex": adults.SEX.to_numpy(),
        "disabled": adults.DIS.astype(str).map({"1": "yes", "2": "no"}).to_numpy(),
        "employed": adults.employed.to_numpy()})
    rows.to_csv(Path(__file__).with_name("census.csv.gz"), index=False, compression={"method": "gzip", "mtime": 0})


if __name__ == "__main__":
    main()
