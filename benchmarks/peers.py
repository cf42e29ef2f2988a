"""One peer's drift between two Parquet folders, in its own interpreter: what `monitoring.py` starts for each of them.

    python benchmarks/peers.py evidently|nannyml|whylogs|exact REFERENCE CURRENT [--memory GB] [--edges FILE]

Imports nothing of Perdure, so that a peer lives with the versions that it wants. A small run warms up; then one line
of JSON: seconds and CPU seconds of the calculation, of reading, and the process's largest memory in MB. `exact` is no
peer: Kolmogorov-Smirnov by scipy and population stability index over the edges in a file, of every column: an oracle.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

warnings.simplefilter("ignore")
Found = Callable[[pd.DataFrame, pd.DataFrame], Any]


def evidently() -> Found:
    """Its drift preset, over all columns, each of its type."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    def run(reference: pd.DataFrame, current: pd.DataFrame) -> Any:
        texts = [name for name in reference if reference[name].dtype == object]
        types = DataDefinition(numerical_columns=[name for name in reference if name not in texts],
                               categorical_columns=texts)
        sides = (Dataset.from_pandas(side, data_definition=types) for side in (current, reference))
        return Report([DataDriftPreset()]).run(*sides).dict()

    return run


def nannyml() -> Found:
    """Its univariate drift, by default methods and thresholds, in six chunks."""
    os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"
    from nannyml import UnivariateDriftCalculator

    def run(reference: pd.DataFrame, current: pd.DataFrame) -> Any:
        return UnivariateDriftCalculator(list(reference), chunk_number=6).fit(reference).calculate(current).to_df()

    return run


def whylogs() -> Found:
    """Its profiles of both sides."""
    import whylogs as library

    def run(reference: pd.DataFrame, current: pd.DataFrame) -> Any:
        return [library.log(side).view().to_pandas() for side in (reference, current)]

    return run


def exact(reference: pd.DataFrame, current: pd.DataFrame, known: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Of each column: `ks_test` (numbers), and `population_stability_index` over the cells in `known` (edges of
    numbers: the first cell is below the first, the last from the last on; or names, all others together)."""
    from scipy.stats import ks_2samp

    found: dict[str, dict[str, float]] = {}
    for name, cells in known.items():
        sides = [side[name].dropna() for side in (reference, current)]
        if isinstance(cells[0], str):
            counts = [side.value_counts() for side in sides]
            table = np.array([[*(count.get(cell, 0) for cell in cells), 0] for count in counts], dtype=float)
            table[:, -1] = [len(side) - row.sum() for side, row in zip(sides, table, strict=True)]
        else:
            found[name] = {"ks_test": float(ks_2samp(*sides, method="asymp").statistic)}
            bounds = [-np.inf, *cells, np.inf]
            table = np.array([pd.cut(side, bounds, right=False).value_counts(sort=False) for side in sides], float)
        table = table[:, table.sum(axis=0) > 0]
        ours, theirs = (np.where(row == 0, 1e-4, row / row.sum()) for row in table)
        index = float(((theirs - ours) * np.log(theirs / ours)).sum())
        found.setdefault(name, {})["population_stability_index"] = index
    return found


def read(folder: str) -> pd.DataFrame:
    """All rows; equal texts share their memory."""
    return pq.read_table(folder).to_pandas(deduplicate_objects=True, split_blocks=True, self_destruct=True)


def main() -> None:
    """Reads, warms up, runs, reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=["evidently", "nannyml", "whylogs", "exact"])
    parser.add_argument("reference")
    parser.add_argument("current")
    parser.add_argument("--memory", type=float, help="GB of address space that it may take")
    parser.add_argument("--edges", help="JSON: each column's edges or names (exact)")
    given = parser.parse_args()
    if given.memory:
        resource.setrlimit(resource.RLIMIT_AS, (int(given.memory * 2**30), -1))
    begun = time.perf_counter()
    reference, current = read(given.reference), read(given.current)
    took = time.perf_counter() - begun
    if given.peer == "exact":
        with open(given.edges, encoding="utf-8") as file:
            known = json.load(file)
        sys.stdout.write(json.dumps(exact(reference, current, known)) + "\n")
        return
    run = {"evidently": evidently, "nannyml": nannyml, "whylogs": whylogs}[given.peer]()
    run(reference[:2000].copy(), current[:2000].copy())
    begun, spent = time.perf_counter(), time.process_time()
    run(reference, current)
    sys.stdout.write(json.dumps({
        "rows": len(reference) + len(current), "reading": took, "seconds": time.perf_counter() - begun,
        "cpu": time.process_time() - spent,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}) + "\n")


if __name__ == "__main__":
    main()
