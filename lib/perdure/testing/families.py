"""The laws that every model family obeys. Run over the registry, so that a new family is tested the day it is added.

>>> for name in registry.names("perdure.models"):  # doctest: +SKIP
...     for law in LAWS:
...         law(spark, name)
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TYPE_CHECKING, Any

from perdure.core import registry
from perdure.core.space import Choice, Dimension, Integer, LogUniform, Params, Space, Uniform, holds
from perdure.models import fitted, prepare

if TYPE_CHECKING:
    from pyspark.ml import PipelineModel
    from pyspark.sql import DataFrame, SparkSession

Law = Callable[["SparkSession", str], None]
TASKS = ("binary", "multiclass", "regression")
COLUMNS = ("number", "holes", "flag", "place", "seen")
DATES = ("day", "hour")
INPUTS = (*COLUMNS[:-1], "day(seen)", "hour(seen)")


def of_mllib() -> list[tuple[str, str]]:
    """Family and task, of those families whose models have a compiled form and explanations: they need no package."""
    names = (name for name in registry.names("perdure.models") if not hasattr(_family(name), "packages"))
    return [(name, task) for name in names for task in _family(name).tasks if task != "multiclass"]


def learnable(spark: SparkSession, task: str, rows: int = 400) -> DataFrame:
    """Rows whose `label` depends on a number, a flag and a category; with nulls, not-a-number and a rare category;
    and not on a time."""
    from pyspark.sql import functions as F

    noise = "(pmod(xxhash64(id, 1), 1000) / 1000D - 0.5)"
    number, place = "pmod(xxhash64(id, 2), 1000) / 100D", "pmod(xxhash64(id, 3), 4)"
    data = spark.range(0, rows, 1, 2).selectExpr(
        "id", f"{number} AS number",
        "CASE WHEN id % 7 = 0 THEN NULL WHEN id % 11 = 0 THEN double('NaN') ELSE id % 5 END AS holes",
        "id % 2 = 0 AS flag", f"IF(id % 13 = 0, NULL, IF(id = 1, 'rare', concat('p', {place}))) AS place",
        "IF(id % 17 = 0, NULL, timestamp_seconds(1357000000 + id * 21600)) AS seen",
        f"{number} + 2 * ({place}) + IF(id % 2 = 0, 1, 0) + {noise} AS score")
    labels = {"binary": "CAST(score > 8.5 AS DOUBLE)", "multiclass": "CAST(least(floor(abs(score) / 5), 2) AS DOUBLE)"}
    label = F.expr(labels.get(task, "score + 1"))
    return data.withColumn("label", label).drop("score")


def draw(space: Space, seed: int) -> Params:
    """A random point of a space."""
    chance = random.Random(seed)
    return {name: _draw(dimension, chance) for name, dimension in space.items()}


def _draw(dimension: Dimension, chance: random.Random) -> str | int | float | bool:
    if isinstance(dimension, Choice):
        return chance.choice(dimension.options)
    if isinstance(dimension, Integer):
        return chance.randrange(dimension.low, dimension.high + 1, dimension.step)
    if isinstance(dimension, LogUniform):
        return float(dimension.low * (dimension.high / dimension.low) ** chance.random())
    return chance.uniform(dimension.low, dimension.high)


def smallest(space: Space) -> Params:
    """The cheap corner of a space: the lowest value of each dimension, the first option of each choice."""
    return {name: dimension.options[0] if isinstance(dimension, Choice) else dimension.low
            for name, dimension in space.items()}


def fit_anew(spark: SparkSession, name: str, task: str) -> tuple[PipelineModel, DataFrame]:
    """The family's smallest model, fitted on `learnable` rows, and those rows."""
    rows, family = learnable(spark, task), fitted.family(name, task)
    preparation = prepare.fit(rows, COLUMNS, dates=DATES)
    vectors = preparation.apply(rows, [family.encoding]).withColumnRenamed(f"features_{family.encoding}", "features")
    unfitted = fitted.estimator(name, smallest(family.space), task, seed=7, bins=preparation.bins)
    return fitted.assemble(preparation, rows, family.encoding, unfitted.fit(vectors)), rows


fit = cache(fit_anew)  # most of a law's time: the same model serves all that don't ask for another


def declares_itself(spark: SparkSession, name: str) -> None:
    """`tasks`, `encoding` and `space` hold what they may hold."""
    family = _family(name)
    assert family.tasks and set(family.tasks) <= set(TASKS), family.tasks
    assert family.encoding in ("onehot", "index"), family.encoding
    for parameter, dimension in family.space.items():
        assert isinstance(dimension, (Uniform, LogUniform, Integer, Choice)), (parameter, dimension)
        assert dimension.first is None or holds(dimension, dimension.first), (parameter, dimension)
        if not isinstance(dimension, Choice):
            assert dimension.low < dimension.high, (parameter, dimension)
        assert not isinstance(dimension, LogUniform) or dimension.low > 0, (parameter, dimension)


def takes_every_point(spark: SparkSession, name: str) -> None:
    """Any point of its space makes an estimator that holds just those params."""
    family = _family(name)
    for task in family.tasks:
        for seed in range(20):
            params = draw(family.space, seed)
            unfitted = fitted.estimator(name, params, task, seed=seed, bins=64)
            held = {parameter: unfitted.getOrDefault(parameter) for parameter in params}
            assert held == dict(params), (held, params)


def learns(spark: SparkSession, name: str) -> None:
    """Even its smallest model beats the constant prediction by far on data that can be learnt."""
    for task in _family(name).tasks:
        model, rows = fit(spark, name, task)
        scored = fitted.predict(model, rows, task)
        guess = "probability" if task == "binary" else "prediction"
        found = scored.selectExpr(f"avg(pow(label - {guess}, 2)) AS error", "var_pop(label) AS variance").collect()[0]
        assert found["error"] < 0.6 * found["variance"], (task, found)


def scores_raw_rows(spark: SparkSession, name: str) -> None:
    """Nulls, not-a-number, infinity and unseen categories get a finite prediction, and a probability in [0, 1]."""
    for task in _family(name).tasks:
        model, _ = fit(spark, name, task)
        odd = spark.sql("""SELECT * FROM VALUES (1, NULL, NULL, NULL, NULL, NULL),
            (2, double('NaN'), double('NaN'), true, '', timestamp'0002-01-01'),
            (3, double('infinity'), -double('infinity'), false, 'never seen', timestamp'9999-12-31 23:59:59'),
            (4, 1e300D, 0D, true, 'p1', timestamp'1969-12-31 23:59:59') AS odd (id, number, holes, flag, place, seen)
            """)
        scored = fitted.predict(model, odd, task).collect()
        assert len(scored) == 4
        for row in scored:
            assert row["prediction"] is not None, row
            assert row["prediction"] == row["prediction"], row
            assert (row["probability"] is None) if task == "regression" else (0 <= row["probability"] <= 1), row


def repeats(spark: SparkSession, name: str) -> None:
    """The same rows, params and seed give the same predictions, bit for bit."""
    for task in _family(name).tasks:
        first, second = (_predictions(*fitting(spark, name, task), task) for fitting in (fit, fit_anew))
        assert first == second


def survives_saving(spark: SparkSession, name: str) -> None:
    """Saved and loaded, it predicts the same."""
    from pyspark.ml import PipelineModel

    for task in _family(name).tasks:
        model, rows = fit(spark, name, task)
        with TemporaryDirectory() as folder:
            path = str(Path(folder, "model"))
            model.write().save(path)
            assert _predictions(PipelineModel.load(path), rows, task) == _predictions(model, rows, task)


def tells_what_it_leans_on(spark: SparkSession, name: str) -> None:
    """Importances are shares that sum to 1 over the inputs; what the label depends on leads."""
    for task in _family(name).tasks:
        rows, family = learnable(spark, task), _family(name)
        preparation = prepare.fit(rows, COLUMNS, dates=DATES)
        vectors = preparation.apply(rows, [family.encoding]).select(
            "label", *[f"features_{family.encoding}"]).toDF("label", "features")
        model: Any = fitted.estimator(name, smallest(family.space), task, seed=7, bins=preparation.bins).fit(vectors)
        found = fitted.importance(model, preparation.slots(family.encoding), vectors)
        assert set(found) == set(INPUTS), found
        assert abs(sum(found.values()) - 1) < 1e-9, found
        assert set(list(found)[:2]) == {"number", "place"}, found


def _family(name: str) -> ModuleType:
    return registry.load("perdure.models", name)


def _predictions(model: PipelineModel, rows: DataFrame, task: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in fitted.predict(model, rows, task).select(
        "id", "prediction", "probability").orderBy("id").collect()]


LAWS: tuple[Law, ...] = (
    declares_itself, takes_every_point, learns, scores_raw_rows, repeats, survives_saving, tells_what_it_leans_on)
