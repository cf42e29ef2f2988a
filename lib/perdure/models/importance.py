"""What a fitted model leans on, from a sample of rows: mean |SHAP|, permutation importance, partial dependence.

All of it is one Spark job with one task, which sees the sample as vectors; a few small rows come back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from perdure.core.identifiers import quoted

from .explained import UNITS, Explainer, against, prepared

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.ml import PipelineModel
    from pyspark.sql import DataFrame

SAMPLE, _LEAST = 1_000, 50  # rows: where a model is small, and however large it is
_CONTRIBUTIONS, _ANSWERS = 25_000_000, 6_000_000  # steps that a sample may take: some tenths of a second
_REPEATS = 3
_CURVES, _POINTS, _CURVE_ROWS, _CATEGORIES = 6, 12, 300, 8
_LABEL, _KEY = "_explained_label", "_explained_key"


@dataclass(frozen=True)
class Question:
    """What the task needs besides the model: categories by prepared column, the task, the seed."""

    categories: Mapping[str, tuple[str, ...]]
    binary: bool
    seed: int


def sample_sizes(explainer: Explainer) -> tuple[int, int]:
    """How many rows contributions are taken from, and shuffled answers: `SAMPLE`, or fewer where a model is large."""
    contributions, answers = explainer.cost()
    shuffled = answers * _REPEATS * len(explainer.columns)
    sizes = (_CONTRIBUTIONS // contributions, _ANSWERS // shuffled)
    return max(_LEAST, min(SAMPLE, sizes[0])), max(_LEAST, min(SAMPLE, sizes[1]))


def summarise(model: PipelineModel, explainer: Explainer, rows: DataFrame, key: str, *, binary: bool,
              seed: int) -> dict[str, Any] | None:
    """JSON-ready: `rows` that contributions are of, `shuffled` that permutations are of, `unit` and `base` of the
    contributions; `importance`: raw column -> mean |SHAP|, largest first; `direction`: column -> how its contribution
    goes with its value (correlation, None for texts); `permutation`: column -> by how much the loss (log loss, squared
    error) rises when the column is shuffled, and the standard error over rows, paired; `dependence`: for the columns
    that matter most, the mean answer when every row has the value `at`. None when there are no rows.

    `rows`: raw columns, `label`, and `key`, by whose hash the sample is chosen among them. One Spark action."""
    from pyspark.sql import functions as F

    wanted = sample_sizes(explainer)
    marked = rows.select("*", F.col("label").cast("double").alias(_LABEL), F.xxhash64(quoted(key)).alias(_KEY))
    # Each task gives the least hashes it has; with one task that is the sample.
    ready = prepared(model, explainer, marked, [_LABEL, _KEY]).coalesce(1)
    stages: list[Any] = list(model.stages)
    categories = {stage.getOutputCol(): tuple(stage.labels) for stage in stages
                  if type(stage).__name__ == "StringIndexerModel"}  # fmt: skip
    question = Question(categories, binary, seed)

    def look(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        some = list(batches)
        if some and sum(batch.num_rows for batch in some):
            text = json.dumps(_look(explainer, question, pa.Table.from_batches(some), wanted))
            yield pa.RecordBatch.from_arrays([pa.array([text])], ["found"])

    found = ready.mapInArrow(look, "found string").collect()  # one row: the summary
    return json.loads(found[0]["found"]) if found else None


def contributions(model: PipelineModel, explainer: Explainer, rows: DataFrame, key: str) -> dict[str, float]:
    """Raw column -> mean |SHAP| over a sample of the rows, chosen by the hash of their key: `importance` of
    `summarise`, of rows without labels. Empty without rows. One Spark action."""
    from pyspark.sql import functions as F

    many, _ = sample_sizes(explainer)
    ready = prepared(model, explainer, rows.orderBy(F.xxhash64(quoted(key))).limit(many), []).coalesce(1)

    def look(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        some = [batch for batch in batches if batch.num_rows]
        if some:
            size = np.abs(explainer.values(explainer.matrix(pa.Table.from_batches(some)))).mean(axis=0)
            text = json.dumps(dict(zip(explainer.columns, size.tolist(), strict=True)))
            yield pa.RecordBatch.from_arrays([pa.array([text])], ["found"])

    found = ready.mapInArrow(look, "found string").collect()  # one row
    return json.loads(found[0]["found"]) if found else {}


def _look(explainer: Explainer, question: Question, table: pa.Table, wanted: tuple[int, int]) -> dict[str, Any]:
    order = np.argsort(np.asarray(table.column(_KEY)), kind="stable")[: max(wanted)]
    table = table.take(order)
    rows, labels = explainer.matrix(table), np.asarray(table.column(_LABEL), dtype=float)
    if explainer.means is not None and not np.any(explainer.means):
        explainer = against(explainer, rows.mean(axis=0))
    values = explainer.values(rows[: wanted[0]])
    size = np.abs(values).mean(axis=0)
    few = rows[: min(_CURVE_ROWS, wanted[1])]
    names = sorted(range(len(size)), key=lambda i: (-size[i], explainer.columns[i]))
    return {
        "rows": len(values), "shuffled": min(wanted[1], len(rows)), "unit": UNITS[explainer.kind],
        "base": explainer.base,
        "means": None if explainer.means is None else explainer.means.tolist(),
        "importance": {explainer.columns[i]: float(size[i]) for i in names},
        "direction": {explainer.columns[i]: _direction(explainer, rows[: len(values)], values, i) for i in names},
        "permutation": _permutation(explainer, question, rows[: wanted[1]], labels[: wanted[1]], names),
        "dependence": [_curve(explainer, question, few, i) for i in names[:_CURVES] if size[i] > 0],
    }  # fmt: skip


def _places(explainer: Explainer, column: int) -> Any:
    return np.flatnonzero(explainer.slots == column)


def _input(explainer: Explainer, column: int) -> tuple[str, int]:
    """The first prepared column of a raw one (its indicator comes later), and its number of one-hot places."""
    starts = np.cumsum([0, *(max(size, 1) for _, size in explainer.inputs)])
    return explainer.inputs[int(np.searchsorted(starts, _places(explainer, column)[0], side="right")) - 1]


def _direction(explainer: Explainer, rows: Any, values: Any, column: int) -> float | None:
    name, _ = _input(explainer, column)
    x, y = rows[:, _places(explainer, column)[0]], values[:, column]
    if not name.startswith("_number_") or len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(np.corrcoef(x, y)[0, 1])


def _permutation(explainer: Explainer, question: Question, rows: Any, labels: Any,
                 names: Sequence[int]) -> dict[str, Any]:
    """Shuffled `_REPEATS` times; the same rows with and without, so that only the column's own worth varies."""
    known = ~np.isnan(labels)
    rows, labels = rows[known], labels[known]
    if len(rows) < 2:
        return {}
    before, result = _loss(explainer, question, rows, labels), {}
    for column in names:
        chance = np.random.default_rng([question.seed, column])
        places, rise = _places(explainer, column), np.zeros(len(rows))
        for _ in range(_REPEATS):
            shuffled = rows.copy()
            shuffled[:, places] = rows[chance.permutation(len(rows))][:, places]
            rise += (_loss(explainer, question, shuffled, labels) - before) / _REPEATS
        result[explainer.columns[column]] = {"value": float(rise.mean()),
                                             "error": float(rise.std(ddof=1) / np.sqrt(len(rise)))}  # fmt: skip
    return result


def _loss(explainer: Explainer, question: Question, rows: Any, labels: Any) -> Any:
    answer = explainer.answer(rows)
    if not question.binary:
        return (answer - labels) ** 2
    answer = np.clip(answer, 1e-15, 1 - 1e-15)
    return -np.where(labels > 0.5, np.log(answer), np.log1p(-answer))


def _curve(explainer: Explainer, question: Question, rows: Any, column: int) -> dict[str, Any]:
    """Partial dependence: numbers at their deciles' ends, texts at their most frequent categories."""
    name, one_hot = _input(explainer, column)
    places = _places(explainer, column)
    points: list[dict[str, Any]] = []
    if name.startswith("_index_"):
        for number, label in enumerate(question.categories[name][:_CATEGORIES]):
            changed = rows.copy()
            changed[:, places] = (np.arange(one_hot) == number).astype(float) if one_hot else number
            points.append({"at": label, "answer": float(explainer.answer(changed).mean())})
        return {"column": explainer.columns[column], "kind": "text", "points": points}
    for value in np.unique(np.quantile(rows[:, places[0]], np.linspace(0, 1, _POINTS), method="nearest")):
        changed = rows.copy()
        changed[:, places] = 0.0  # not missing
        changed[:, places[0]] = value
        points.append({"at": float(value), "answer": float(explainer.answer(changed).mean())})
    return {"column": explainer.columns[column], "kind": "number", "points": points}
