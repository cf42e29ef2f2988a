"""Why a fitted model says what it says: which raw columns moved a prediction, and what the model does with each.

An `Explainer` is a fitted model as plain arrays, which travels to where the rows are: contributions and summaries are
computed in Spark's tasks over Arrow batches, and only aggregates come back. Contributions are exact SHAP values
(`models.shap`), in the model's own unit: the `votes` of a forest are probabilities of class 1, the `margin` of boosted
trees is half a logit (as MLlib's raw prediction), a `logit` is one, a `value` the prediction itself, a `log` its
logarithm. Places of the vector that come from one raw column (categories, missing-value indicators) are added up under
its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from perdure.core.errors import PerdureError
from perdure.core.identifiers import quoted

from . import shap, trees
from .compiled import linear_kind
from .prepare import PARTS, value

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.ml import PipelineModel
    from pyspark.sql import DataFrame

_TOKEN = re.compile(rf"(?:\b({'|'.join(PARTS)})\()?`((?:[^`]|``)+)`|\bAS (_(?:number|missing|text)_\d+)\b")
UNITS = {
    "votes": "probability", "margin": "half a logit", "logit": "logit", "value": "the prediction's own unit",
    "log": "the prediction's logarithm",
}  # fmt: skip


class NotExplainable(PerdureError):
    """The model has a part that has no exact explanation here; the message says which."""


@dataclass(frozen=True)
class Explainer:
    """A fitted model as arrays. `columns`: the raw columns, or parts of such (`hour(seen)`); `inputs`: the prepared
    columns in the vector's order, each with the categories it has as one-hot places (0: it is one place); `slots`: the
    raw column of each place.

    Trees have `paths`, linear models `weights` and `means` (what a row is held against); `base` is what the model
    says of no row in particular."""

    columns: tuple[str, ...]
    inputs: tuple[tuple[str, int], ...]
    slots: Any
    kind: str
    base: float
    trees: tuple[trees.Tree, ...] = ()
    paths: tuple[shap.Paths, ...] = ()
    weights: Any = None
    means: Any = None
    intercept: float = 0.0

    def matrix(self, batch: pa.RecordBatch | pa.Table) -> Any:
        """The vectors (rows, places) of a batch of prepared columns."""
        parts = []
        for name, size in self.inputs:
            values = np.asarray(batch.column(name), dtype=float)[:, None]
            parts.append((values == np.arange(size)).astype(float) if size else values)
        return np.hstack(parts)

    def raw(self, rows: Any) -> Any:
        """The model's raw answer for vectors."""
        if self.trees:
            total = np.zeros(len(rows))
            for tree in self.trees:
                total += tree.leaves(rows)
            return total
        return rows @ self.weights + self.intercept

    def answer(self, rows: Any) -> Any:
        """The probability of class 1, or the predicted number."""
        raw = self.raw(rows)
        if self.kind in ("margin", "logit"):
            return 1.0 / (1.0 + np.exp(np.clip(-(2.0 if self.kind == "margin" else 1.0) * raw, -700, 700)))
        return np.exp(np.clip(raw, -700, 700)) if self.kind == "log" else raw

    def values(self, rows: Any) -> Any:
        """SHAP values (rows, columns): with `base` they add up to `raw`."""
        if self.trees:
            found = shap.tree_values(self.paths, rows, self.slots)
        else:
            found = shap.linear_values(self.weights, self.means, rows, self.slots)
        missing = len(self.columns) - found.shape[1]
        return np.pad(found, ((0, 0), (0, missing))) if missing else found

    def cost(self) -> tuple[int, int]:
        """Steps that one row takes: for its contributions, and for one answer. They bound a sample."""
        answer = sum(len(tree.feature).bit_length() for tree in self.trees)
        return max(1, shap.cost(self.paths)), max(1, answer)


def explainer(model: PipelineModel, folder: str | Path, means: Sequence[float] | None = None) -> Explainer:
    """The explainer of a model that `fitted.assemble` put together. `folder`: where the model was saved (driver-side).
    `means`: of the vector's places over the rows that a linear model is held against; without them it is held
    against 0 until `against` is called.

    Raises NotExplainable for foreign preparations, and for models that are neither trees nor linear."""
    stages: list[Any] = list(model.stages)
    *preparation, last = stages
    kinds = [type(stage).__name__ for stage in preparation]
    if kinds[:1] != ["SQLTransformer"] or kinds[-1:] != ["VectorAssembler"]:
        raise NotExplainable(f"only the project's own preparation can be explained; found {', '.join(kinds)}")
    sizes = {stage.getInputCol().removeprefix("_text_"): len(stage.labels) for stage in preparation
             if type(stage).__name__ == "StringIndexerModel"}  # fmt: skip
    origin = _origins(preparation[0].getStatement())
    inputs, slots, columns = [], [], list(dict.fromkeys(origin.values()))
    for name in preparation[-1].getInputCols():
        number = name.rpartition("_")[2]
        size = sizes[number] if name.startswith("_onehot_") else 0
        inputs.append((f"_index_{number}" if size else name, size))
        raw = origin[f"_text_{number}" if name.startswith(("_onehot_", "_index_")) else name]
        slots += [columns.index(raw)] * max(size, 1)
    shape = (tuple(columns), tuple(inputs), np.array(slots))
    if getattr(last, "numClasses", 2) > 2:
        raise NotExplainable(f"a model of {last.numClasses} classes is not explained exactly")
    kind = trees.kind(last)
    if kind:
        found = trees.read(last, next(Path(folder, "stages").glob(f"*_{last.uid}")))
        paths, base = shap.paths(found)
        return Explainer(*shape, kind, base, tuple(found), paths)
    linear = linear_kind(last)
    if not linear:
        raise NotExplainable(f"only trees and linear models are explained exactly; this is {type(last).__name__}")
    weights, intercept = np.array(last.coefficients.toArray()), float(last.intercept)
    plain = Explainer(*shape, linear, intercept, weights=weights, intercept=intercept)
    return against(plain, np.zeros(len(slots)) if means is None else np.array(means))


def against(explainer: Explainer, means: Any) -> Explainer:
    """A linear model held against other means; trees carry their own."""
    from dataclasses import replace

    if explainer.trees:
        return explainer
    return replace(explainer, means=means, base=float(means @ explainer.weights + explainer.intercept))


def _origins(statement: str) -> dict[str, str]:
    """Prepared column -> the input that it is made of, from the preparation's SQL."""
    found, raw = {}, ""
    for match in _TOKEN.finditer(statement):
        if match[2]:
            name = match[2].replace("``", "`")
            raw = f"{match[1]}({name})" if match[1] else name
        elif raw:
            found[match[3]] = raw
    return found


def prepared(model: PipelineModel, explainer: Explainer, rows: DataFrame, keep: Sequence[str]) -> DataFrame:
    """`rows` with the prepared columns as doubles, and the columns `keep`: no vector is made."""
    from pyspark.sql import functions as F

    plain = rows.drop("prediction", "probability", "rawPrediction", "features")
    for stage in model.stages:
        if type(stage).__name__ in ("SQLTransformer", "StringIndexerModel"):
            plain = stage.transform(plain)
    names = [name for name, _ in explainer.inputs]
    return plain.select(*(F.col(quoted(name)) for name in keep),
                        *(F.col(name).cast("double").alias(name) for name in names))  # fmt: skip


def reasons(model: PipelineModel, explainer: Explainer, rows: DataFrame, keep: Sequence[str], top: int) -> DataFrame:
    """For each row the columns `keep`, `base`, `raw` (the model's raw answer) and `reasons`: the `top` columns by the
    size of their contribution, each with `feature`, its `value` as text, and `contribution`. Lazy; one pass."""
    from pyspark.sql import functions as F

    shown = [F.expr(value(name, rows.columns)).cast("string").alias(f"_shown_{i}")
             for i, name in enumerate(explainer.columns)]
    widened = rows.select("*", *shown)
    names = [*keep, *(f"_shown_{i}" for i in range(len(explainer.columns)))]
    ready = prepared(model, explainer, widened, names)
    types = ", ".join(f"{quoted(name)} {rows.schema[name].dataType.simpleString()}" for name in keep)
    schema = f"{types}, base double, raw double, reasons array<struct<feature:string,value:string,contribution:double>>"

    def explain(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield _reasons(explainer, batch, list(keep), top)

    return ready.mapInArrow(explain, schema)


def _reasons(explainer: Explainer, batch: pa.RecordBatch, keep: list[str], top: int) -> pa.RecordBatch:
    import pyarrow as pa

    rows = explainer.matrix(batch)
    values = explainer.values(rows)
    top, count = min(top, values.shape[1]), len(rows)
    chosen = np.argsort(-np.abs(values), axis=1, kind="stable")[:, :top]
    flat = chosen.ravel()
    shown = pa.concat_arrays([batch.column(f"_shown_{i}") for i in range(values.shape[1])])
    fields = [pa.array(explainer.columns).take(pa.array(flat)),
              shown.take(pa.array(flat * count + np.repeat(np.arange(count), top))),
              pa.array(np.take_along_axis(values, chosen, axis=1).ravel())]  # fmt: skip
    listed = pa.ListArray.from_arrays(pa.array(np.arange(0, count * top + 1, top), pa.int32()),
                                      pa.StructArray.from_arrays(fields, ["feature", "value", "contribution"]))
    base = pa.array(np.full(count, explainer.base))
    arrays = [*(batch.column(name) for name in keep), base, pa.array(explainer.raw(rows)), listed]
    return pa.RecordBatch.from_arrays(arrays, [*keep, "base", "raw", "reasons"])
