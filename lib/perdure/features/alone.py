"""How far each feature alone tells the label: one that nearly gives it was probably made with it.

A feature's values go into bins (quantiles for numbers, categories for texts, missing values apart). What each bin says
of the label is learnt on the earlier rows and judged on the later ones, so that many bins don't flatter a feature.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

# Bins of a number, and of a label that is one.
BINS = 32
# About so many rows are looked at, by a hash of their key.
ROWS = 100_000


@dataclass(frozen=True)
class Cell:
    """Rows of one feature and bin: whether they judge (or are learnt from), their label (a class, or the bin of a
    number), and how many there are."""

    feature: str
    bin: int
    judging: bool
    label: int
    rows: int


def alone(rows: DataFrame, numbers: Mapping[str, str], texts: Mapping[str, tuple[str, Sequence[str]]], *,
          task: str) -> dict[str, float]:
    """Each feature's share, largest first (ties by name); see `shares`. One Spark job with one task, for some `ROWS`.

    `rows`: `label` (not null) and the flag `_judging`, beside the columns. `numbers`: feature to SQL of its value, null
    where it is missing. `texts`: feature to SQL of its value and the values that count; any other is one bin more."""
    return shares(_cells(rows, numbers, texts, task), task)


def shares(cells: Sequence[Cell], task: str) -> dict[str, float]:
    """How far each feature alone tells the label, from 0 (not at all) to 1 (it gives it).

    For classes: 2 AUC - 1 (Gini) of the bins' shares of the class, the mean over the classes, each against the rest,
    weighted by its rows. For numbers: the part of the standard deviation of the label's ranks (which outliers don't
    move) that the bins' means take away, 1 - sqrt(1 - R squared): what is seen to go on as before, such as the latest
    reading of the label itself, has an R squared of 0.97 easily, and 0.83 by this. A feature without rows to learn
    from, or to judge by, is left out."""
    found = {}
    for feature in {cell.feature for cell in cells}:
        mine = [cell for cell in cells if cell.feature == feature]
        value = _share(mine, task)
        if value is not None:
            found[feature] = round(max(0.0, value), 6)
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _share(cells: Sequence[Cell], task: str) -> float | None:
    import numpy as np

    bins, labels = (sorted({getattr(cell, name) for cell in cells}) for name in ("bin", "label"))
    counts = np.zeros((2, len(bins), len(labels)))
    for cell in cells:
        counts[int(cell.judging), bins.index(cell.bin), labels.index(cell.label)] += cell.rows
    learnt, judged = counts
    if not learnt.sum() or not judged.sum():
        return None
    if task == "regression":
        return _explained(learnt, judged, np.array(labels, dtype=float))
    sizes, ginis = [], []
    for place in range(len(labels)):
        gini = _gini(learnt, judged, place)
        if gini is not None:
            sizes.append(judged[:, place].sum())
            ginis.append(gini)
    return float(np.average(ginis, weights=sizes)) if ginis else None


def _gini(learnt: Any, judged: Any, place: int) -> float | None:
    """2 AUC - 1 of the bins, in the order of the share of one label among the rows learnt from."""
    import numpy as np

    yes, no = judged[:, place], judged.sum(axis=1) - judged[:, place]
    if not yes.sum() or not no.sum():
        return None
    sizes, overall = learnt.sum(axis=1), learnt[:, place].sum() / learnt.sum()
    score = np.where(sizes > 0, learnt[:, place] / np.maximum(sizes, 1), overall)
    higher = score[:, None] > score[None, :]
    lower = score[:, None] < score[None, :]
    return float(yes @ (higher.astype(float) - lower) @ no / (yes.sum() * no.sum()))


def _explained(learnt: Any, judged: Any, labels: Any) -> float | None:
    import numpy as np

    sizes = learnt.sum(axis=1)
    means = np.where(sizes > 0, learnt @ labels / np.maximum(sizes, 1), learnt.sum(axis=0) @ labels / learnt.sum())
    whole = judged.sum(axis=0) @ labels / judged.sum()
    spread = float((judged * (labels[None, :] - whole) ** 2).sum())
    rest = float((judged * (labels[None, :] - means[:, None]) ** 2).sum())
    return 1 - float(np.sqrt(rest / spread)) if spread else None


def _cells(rows: DataFrame, numbers: Mapping[str, str], texts: Mapping[str, tuple[str, Sequence[str]]],
           task: str) -> list[Cell]:
    from pyspark.sql import functions as F

    names = [*numbers, *texts]
    values = [F.expr(sql).cast("double") for sql in numbers.values()] + [F.expr(sql) for sql, _ in texts.values()]
    # One task sees them all: a hundred thousand rows of a hundred columns are eighty megabytes.
    ready = rows.select("label", "_judging", *(value.alias(f"c{at}") for at, value in enumerate(values))).coalesce(1)
    known = [None] * len(numbers) + [list(categories) for _, categories in texts.values()]

    def look(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        some = [batch for batch in batches if batch.num_rows]
        if some:
            text = json.dumps(_counted(pa.Table.from_batches(some), known, task))
            yield pa.RecordBatch.from_arrays([pa.array([text])], ["found"])

    found = ready.mapInArrow(look, "found string").collect()  # one row: the cells
    counted = json.loads(found[0]["found"]) if found else []
    return [Cell(names[feature], place, bool(judging), label, many) for feature, place, judging, label, many in counted]


def _counted(table: pa.Table, known: Sequence[list[str] | None], task: str) -> list[list[int]]:
    """Feature, bin, judging, label, rows: of the cells that hold rows. `known`: a text column's categories, None of a
    number. A number's bin is how many of its quantiles it is above, -1 where it is missing; a category's its place."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    def binned(values: Any) -> Any:
        there = values[~np.isnan(values)]
        shares = np.arange(1, BINS) / BINS
        edges = np.unique(np.quantile(there, shares, method="inverted_cdf")) if len(there) else there
        return np.where(np.isnan(values), -1, np.searchsorted(edges, values, side="left"))

    judging = np.asarray(table.column("_judging"), dtype=int)
    label = np.asarray(table.column("label"), dtype=float)
    label = binned(label) if task == "regression" else label.astype(int)
    cells = []
    for feature, categories in enumerate(known):
        column = table.column(f"c{feature}")
        if categories is None:
            bins = binned(np.asarray(column.combine_chunks(), dtype=float))
        else:
            place = pc.index_in(column, value_set=pa.array(categories, pa.string()))
            bins = np.asarray(pc.fill_null(place, -1).combine_chunks(), dtype=int) + 1
        seen, counts = np.unique(np.stack([bins, judging, label]), axis=1, return_counts=True)
        cells += [[feature, *map(int, cell), int(many)] for cell, many in zip(seen.T, counts, strict=True)]
    return cells
