"""A fitted model as Spark SQL over raw feature columns: the same predictions as MLlib's, at a fraction of the cost.

MLlib builds a vector for each row, then walks the trees in boxed objects. Here the preparation stays the SQL that it is
already, categories become positions (and bits, so that a split on a set of them is one `&`), and the trees nested
`IF`s; no vector is ever made. Sums run in MLlib's order. Forests and trees agree to the last bit, but for `exp` and
for the order in which MLlib's BLAS adds, which leave about 1e-15; whoever uses a compiled model compares it on rows
first (`models.golden`), and keeps MLlib where it differs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perdure.core.errors import PerdureError
from perdure.core.identifiers import quoted

from .trees import nodes

if TYPE_CHECKING:
    from pyspark.ml import PipelineModel
    from pyspark.sql import DataFrame

_BITS = 64
_LARGEST = sys.float_info.max
_TREES = {"GBTClassificationModel", "GBTRegressionModel", "RandomForestClassificationModel",
          "RandomForestRegressionModel"}
_LINEAR = {"LogisticRegressionModel": "logit", "LinearRegressionModel": "value",
           "GeneralizedLinearRegressionModel": "link"}


class NotCompilable(PerdureError):
    """The model has a part that has no compiled form; the message says which."""


@dataclass(frozen=True)
class Category:
    """A string column of the preparation and its categories; any other value has the place after the last."""

    column: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Compiled:
    """A model as SQL. `statement`: the preparation, as its `SQLTransformer` holds it. `value`: SQL for the model's raw
    answer over the prepared columns; `_place_<i>`, `_bit_<i>` stand for category column i. `kind`: what the raw
    answer is: a `value`, its `log`, a `logit`, half a logit (`margin`), or the `votes` of `trees` trees for class 1."""

    statement: str
    categories: tuple[Category, ...]
    value: str
    kind: str
    trees: int = 0

    def predict(self, rows: DataFrame) -> DataFrame:
        """`rows` with `prediction` and `probability` (of class 1; null for regression), as `fitted.predict` gives."""
        from pyspark.ml.feature import SQLTransformer
        from pyspark.sql import functions as F

        plain = rows.drop("prediction", "probability", "rawPrediction", "features")
        kept = [F.col(quoted(name)) for name in plain.columns]
        prepared = SQLTransformer(statement=self.statement).transform(plain)
        placed = prepared.select("*", *(F.expr(_place(category)).alias(f"_place_{i}")
                                        for i, category in enumerate(self.categories)))
        bits = [F.expr(f"shiftleft(1L, _place_{i})").alias(f"_bit_{i}")
                for i, category in enumerate(self.categories) if len(category.values) < _BITS]
        first = prepared.columns[len(plain.columns)]  # a number or a text: the statement adds its columns behind
        ready = placed.select("*", *bits, F.expr(_interpreted_zero(f"hash({first}) = 0", first)).alias("_zero"))
        value = f"{self.value} + {_interpreted_zero('_zero > 0D', '_zero')}"
        answered = ready.select(*kept, F.expr(value).alias("_raw_answer"))
        prediction, probability = _answers(self.kind, self.trees)
        return answered.select(*kept, F.expr(prediction).alias("prediction"),
                               F.expr(probability).alias("probability"))

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Compiled:
        """The inverse of `to_json`."""
        data = json.loads(text)
        categories = tuple(Category(each["column"], tuple(each["values"])) for each in data.pop("categories"))
        return cls(categories=categories, **data)


def compiled(model: PipelineModel, saved: str) -> Compiled:
    """The compiled form of a model that `fitted.assemble` put together. Starts no Spark job.

    `saved`: the local folder that holds the model in MLlib's own format: a tree's nodes are read from there, since
    MLlib shows them in no other way to every kind of session. Raises NotCompilable for stages, or a family, that
    have no compiled form."""
    stages: list[Any] = list(model.stages)
    *preparation, last = stages
    statement, categories, names = _prepared(preparation)
    kind = type(last).__name__
    if getattr(last, "numClasses", 2) > 2:
        raise NotCompilable(f"a model of {last.numClasses} classes has no compiled form")
    if kind in _TREES:
        (folder,) = Path(saved, "stages").glob(f"*_{last.uid}")
        value, answer, trees = _ensemble(last, nodes(folder), names, categories)
        return Compiled(statement, categories, value, answer, trees)
    if linear_kind(last):
        return Compiled(statement, categories, _linear(last, names, categories), linear_kind(last))
    known = sorted({*_TREES, *_LINEAR})
    raise NotCompilable(f"a model must be one of {', '.join(known)} to be compiled; this is {kind}")


def linear_kind(model: Any) -> str:
    """What a linear model's weighted sum is: a `logit`, the `value` itself, or its `log`. An empty text for what isn't
    a linear model, and for links other than these."""
    kind = _LINEAR.get(type(model).__name__, "")
    if kind != "link":
        return kind
    family = model.getFamily()
    if family == "tweedie":
        power = model.getLinkPower() if model.isDefined("linkPower") else 1 - model.getVariancePower()
        return "log" if power == 0 else ""
    link = model.getLink() if model.isDefined("link") else {"gaussian": "identity", "poisson": "log"}.get(family)
    if link == "identity" and family == "gaussian":  # others are held above 0
        return "value"
    return "log" if link == "log" else ""


def _prepared(stages: Sequence[Any]) -> tuple[str, tuple[Category, ...], list[str]]:
    """The SQL, the categories, and the prepared column that each input of the assembler is."""
    known = {"SQLTransformer", "StringIndexerModel", "OneHotEncoderModel", "VectorAssembler"}
    unknown = [type(stage).__name__ for stage in stages if type(stage).__name__ not in known]
    kinds = [type(stage).__name__ for stage in stages]
    if unknown or kinds[:1] != ["SQLTransformer"] or kinds[-1:] != ["VectorAssembler"]:
        raise NotCompilable(f"only the project's own preparation can be compiled; found {', '.join(kinds)}")
    categories = tuple(Category(stage.getInputCol(), tuple(stage.labels)) for stage in stages
                       if type(stage).__name__ == "StringIndexerModel")
    return stages[0].getStatement(), categories, list(stages[-1].getInputCols())


def _place(category: Category) -> str:
    """SQL of a value's place among the categories, found by halves: a few comparisons, however many there are."""
    order = sorted(range(len(category.values)), key=lambda place: category.values[place].encode())
    column, none = quoted(category.column), len(order)

    def within(low: int, high: int) -> str:
        middle = (low + high) // 2
        text = f"CAST(X'{category.values[order[middle]].encode().hex()}' AS STRING)"  # whatever the parser escapes
        if high - low == 1:
            return f"IF({column} = {text}, {order[low]}, {none})"
        return f"IF({column} < {text}, {within(low, middle)}, {within(middle, high)})"

    return within(0, none) if order else "0"


def _interpreted_zero(when: str, name: str) -> str:
    """0, in a way that Spark has no code for. A projection that holds it stays out of whole-stage code, where all its
    expressions would be one method, larger than Java compiles (8,000 bytes), and so interpreted: three times the cost.
    By itself a projection is generated in methods of a good size. It is a property of the query, so it needs no setting
    of the session; what stands beside it, rather than within the lambda's array, is generated code. `when`: true of
    hardly any row, which Spark can't know, so that it costs nothing."""
    return f"IF({when}, transform(array({name}), x -> 0D)[0], 0D)"


def _answers(kind: str, trees: int) -> tuple[str, str]:
    """SQL of prediction and probability from the raw answer. A tie is class 0, as MLlib has it."""
    raw = "_raw_answer"
    if kind == "value":
        return raw, "CAST(NULL AS DOUBLE)"
    if kind == "log":
        return f"least(greatest(exp({raw}), 1e-16D), {_LARGEST!r}D)", "CAST(NULL AS DOUBLE)"  # MLlib's own bounds
    if kind == "votes":
        return f"IF({raw} > {trees}D - {raw}, 1D, 0D)", f"{raw} / {trees}D"
    scale = "-2D" if kind == "margin" else "-1D"
    return f"IF({raw} > 0D, 1D, 0D)", f"1D / (1D + exp({scale} * {raw}))"


def _linear(model: Any, names: list[str], categories: Sequence[Category]) -> str:
    if model.hasParam("threshold") and model.getOrDefault("threshold") != 0.5:
        raise NotCompilable("a logistic regression is compiled for the threshold 0.5 only")
    weights = [float(weight) for weight in model.coefficients.toArray()]
    terms, used = [], 0
    for name in names:
        if not name.startswith("_onehot_"):
            terms.append(f"{_number(weights[used])} * {name}")
            used += 1
            continue
        place = int(name.removeprefix("_onehot_"))
        size = len(categories[place].values)
        listed = ", ".join(map(_number, [*weights[used : used + size], 0.0]))
        terms.append(f"element_at(array({listed}), _place_{place} + 1)")
        used += size
    return f"{' + '.join(terms)} + {_number(float(model.intercept))}"


def _ensemble(model: Any, trees: list[dict[int, Any]], names: list[str],
              categories: Sequence[Category]) -> tuple[str, str, int]:
    """SQL of the raw answer, its kind, and the number of trees."""
    weights = list(model.treeWeights)
    kind = type(model).__name__
    if kind == "RandomForestClassificationModel":
        def leaf(node: Any, weight: float) -> float:
            stats = node["impurityStats"]
            return float(stats[1] / sum(stats)) if sum(stats) else 0.0
    elif kind == "RandomForestRegressionModel":
        def leaf(node: Any, weight: float) -> float:
            return float(node["prediction"])
    else:
        def leaf(node: Any, weight: float) -> float:
            return float(node["prediction"] * weight)
    branches = []
    for tree, weight in zip(trees, weights, strict=True):
        values = {number: leaf(node, weight) for number, node in tree.items() if node["leftChild"] < 0}
        branches.append(_branch(tree, 0, values, names, categories))
    total = " + ".join(branches)
    if kind == "RandomForestRegressionModel":
        return f"({total}) / {len(trees)}D", "value", len(trees)
    answer = {"RandomForestClassificationModel": "votes", "GBTClassificationModel": "margin"}.get(kind, "value")
    return total, answer, len(trees)


def _branch(tree: dict[int, Any], number: int, leaves: dict[int, float], names: list[str],
            categories: Sequence[Category]) -> str:
    node = tree[number]
    if number in leaves:
        return _number(leaves[number])
    left = _branch(tree, node["leftChild"], leaves, names, categories)
    right = _branch(tree, node["rightChild"], leaves, names, categories)
    return left if left == right else f"IF({_condition(node['split'], names, categories)}, {left}, {right})"


def _condition(split: Any, names: list[str], categories: Sequence[Category]) -> str:
    """When a row goes left: a number at or below the threshold, or a category of the set."""
    name, values = names[split["featureIndex"]], split["leftCategoriesOrThreshold"]
    if split["numCategories"] < 0:
        return f"{name} <= {_number(values[0])}"
    if not name.startswith("_index_"):  # an indicator that the assembler marked as nominal
        return f"{name} IN ({', '.join(map(_number, values))})"
    place = int(name.removeprefix("_index_"))
    chosen = {int(value) for value in values}
    if len(categories[place].values) >= _BITS:
        return f"_place_{place} IN ({', '.join(map(str, sorted(chosen)))})"
    if _BITS - 1 in chosen:  # the sign's bit: ask for the others instead
        others = set(range(_BITS)) - chosen
        return f"(_bit_{place} & {sum(1 << each for each in others)}L) = 0L"
    return f"(_bit_{place} & {sum(1 << each for each in chosen)}L) != 0L"


def _number(value: float) -> str:
    return f"{value!r}D" if value >= 0 else f"({value!r}D)"
