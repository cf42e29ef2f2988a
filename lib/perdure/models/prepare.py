"""From raw feature rows to the vectors that the families train on. Fitted once a training, shared by all trials.

Numbers and booleans: not-a-number and infinity count as missing; missing becomes the column's median, with an
indicator (1 = was missing) where the training rows have missing values. Strings: the most frequent values (as many as
`model.prepare.categories` says), missing being a value of its own; rarer and unseen ones share one further category.
Dates and times: the parts that `model.prepare.dates` names, each an input of its own, called `hour(seen)`: what comes
round again (hour, weekday, month, quarter) as a string, for Sunday is next to Monday; year and day of the month as
numbers. Nested types are not features. Everything is plain MLlib stages, so a fitted model scores raw rows wherever
Spark runs.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from perdure.core.errors import PerdureError
from perdure.core.identifiers import quoted

if TYPE_CHECKING:
    from pyspark.ml import Transformer
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructField, StructType

# Trees need at least as many bins as categories, and every number is cut into that many bins too.
MAX_CATEGORIES = 63
MISSING = "(missing)"
# Parts of a date, as SQL's functions name them, and what models take them for. A date has no hour.
PARTS = {"year": "number", "quarter": "text", "month": "text", "day": "number", "weekday": "text", "hour": "text"}
_PART = re.compile(rf"({'|'.join(PARTS)})\((.+)\)", re.DOTALL)


@dataclass(frozen=True)
class Preparation:
    """What was learnt from the training rows: each number's median, which numbers have missing values, each text's
    categories. `columns`: the raw columns, of which an input is one, or a part."""

    medians: Mapping[str, float]
    indicators: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]
    columns: tuple[str, ...] = ()

    @property
    def bins(self) -> int:
        """The bins that trees need: the most categories of any column, the shared one included; 32 at least."""
        return max([32, *(len(values) + 1 for values in self.categories.values())])

    @property
    def values(self) -> dict[str, str]:
        """SQL of each input's value as the preparation takes it: a number, null where missing, or a text."""
        return {**{name: _number(value(name, self.columns)) for name in self.medians},
                **{name: _text(value(name, self.columns)) for name in self.categories}}

    def stages(self, rows: DataFrame, encoding: str, output: str = "features") -> list[Transformer]:
        """Fitted MLlib stages from rows with the raw columns to the vector column `output`. `rows` gives the schema
        only. `encoding`: "onehot" (a column a category) or "index" (one column, marked as nominal)."""
        return [*self._shared(rows, onehot=encoding == "onehot"), self._assembler(encoding, output)]

    def slots(self, encoding: str) -> list[str]:
        """The input that each place of the vector comes from."""
        numbers = [*self.medians, *self.indicators]
        if encoding == "index":
            return [*numbers, *self.categories]
        return [*numbers, *(name for name, values in self.categories.items() for _ in range(len(values)))]

    def apply(self, rows: DataFrame, encodings: Sequence[str]) -> DataFrame:
        """`rows` with a vector column `features_<encoding>` for each encoding."""
        stages = self._shared(rows, onehot="onehot" in encodings)
        stages += [self._assembler(encoding, f"features_{encoding}") for encoding in encodings]
        for stage in stages:
            rows = stage.transform(rows)
        return rows

    def _shared(self, rows: DataFrame, *, onehot: bool) -> list[Transformer]:
        from pyspark.ml.feature import OneHotEncoder, SQLTransformer, StringIndexerModel

        stages: list[Transformer] = [SQLTransformer(statement=self._statement())]
        if not self.categories:
            return stages
        # One indexer a column: made from labels of several columns, pyspark 4.2 pads the shorter lists with nulls.
        stages += [StringIndexerModel.from_labels(list(values), f"_text_{i}", f"_index_{i}", handleInvalid="keep")
                   for i, values in enumerate(self.categories.values())]
        if onehot:
            # The indexer's metadata tells the categories, so this fit starts no job. The shared category is dropped:
            # all places zero mean it.
            indexed = rows.limit(0)
            for stage in stages:
                indexed = stage.transform(indexed)
            places = range(len(self.categories))
            encoder = OneHotEncoder(inputCols=[f"_index_{i}" for i in places],
                                    outputCols=[f"_onehot_{i}" for i in places])
            stages.append(encoder.fit(indexed))
        return stages

    def _assembler(self, encoding: str, output: str) -> Transformer:
        from pyspark.ml.feature import VectorAssembler

        numbers = [f"_number_{i}" for i in range(len(self.medians))]
        missing = [f"_missing_{i}" for i in range(len(self.indicators))]
        texts = [f"_{encoding}_{i}" for i in range(len(self.categories))]
        return VectorAssembler(inputCols=[*numbers, *missing, *texts], outputCol=output)

    def _statement(self) -> str:
        sql = self.values
        parts = [f"coalesce({sql[name]}, double('{median!r}')) AS _number_{i}"
                 for i, (name, median) in enumerate(self.medians.items())]
        parts += [f"CAST({sql[name]} IS NULL AS DOUBLE) AS _missing_{i}" for i, name in enumerate(self.indicators)]
        parts += [f"{sql[name]} AS _text_{i}" for i, name in enumerate(self.categories)]
        return f"SELECT *, {', '.join(parts)} FROM __THIS__"


def usable(schema: StructType, exclude: Sequence[str], dates: Sequence[str] = ()) -> dict[str, str]:
    """The feature columns of a table: name to SQL type, in the table's order. Columns in `exclude`, those whose name
    begins with `_`, and those that give no input are left out. `dates`: the parts of dates and times that are used."""
    return {field.name: field.dataType.simpleString() for field in schema
            if field.name not in exclude and not field.name.startswith("_") and _inputs(field, dates)}


def unused(schema: StructType, exclude: Sequence[str], dates: Sequence[str] = ()) -> dict[str, str]:
    """The columns that `usable` leaves out for their type alone: name to SQL type."""
    return {field.name: field.dataType.simpleString() for field in schema
            if field.name not in exclude and not field.name.startswith("_") and not _inputs(field, dates)}


def _inputs(field: StructField, dates: Sequence[str]) -> dict[str, str]:
    """What models see of a column: the input's name to "number" or "text"."""
    from pyspark.sql.types import BooleanType, DateType, NumericType, StringType, TimestampNTZType, TimestampType

    if isinstance(field.dataType, (NumericType, BooleanType)):
        return {field.name: "number"}
    if isinstance(field.dataType, StringType):
        return {field.name: "text"}
    if isinstance(field.dataType, (DateType, TimestampType, TimestampNTZType)):
        timed = not isinstance(field.dataType, DateType)
        return {f"{part}({field.name})": PARTS[part] for part in PARTS if part in dates and (timed or part != "hour")}
    return {}


def value(name: str, columns: Collection[str]) -> str:
    """SQL of an input, by its name: one of the `columns`, or a part of one."""
    part = None if name in columns else _PART.fullmatch(name)
    return f"{part[1]}({quoted(part[2])})" if part else quoted(name)


def fit(rows: DataFrame, columns: Sequence[str], most: int = MAX_CATEGORIES,
        dates: Sequence[str] = ()) -> Preparation:
    """Learn the preparation of `columns` from the training rows, in two passes (one without strings). `most`: how many
    categories a string has, at most, beside the shared one. `dates`: the parts of dates and times that are used.

    Medians are within half a per cent of rank, which filling gaps does not feel. Categories are ordered by frequency,
    then by name. Raises PerdureError when no column can be a feature."""
    kinds: dict[str, str] = {}
    for name in columns:
        kinds |= {each: kind for each, kind in _inputs(rows.schema[name], dates).items() if each not in kinds}
    sql = {name: value(name, columns) for name in kinds}
    numbers = {name: _number(sql[name]) for name, kind in kinds.items() if kind == "number"}
    texts = {name: _text(sql[name]) for name, kind in kinds.items() if kind == "text"}
    if not numbers and not texts:
        raise PerdureError("a model needs at least one feature that is a number, a boolean or a string; found none")
    medians, indicators = _numbers(rows, numbers)
    return Preparation(medians, indicators, _categories(rows, texts, most), tuple(columns))


def _numbers(rows: DataFrame, numbers: Mapping[str, str]) -> tuple[dict[str, float], tuple[str, ...]]:
    from pyspark.sql import functions as F

    if not numbers:
        return {}, ()
    measures = [part for i, sql in enumerate(numbers.values()) for part in (
        F.expr(f"percentile_approx({sql}, 0.5, 200)").alias(f"median_{i}"),
        F.expr(f"count_if({sql} IS NULL)").alias(f"missing_{i}"))]
    found: dict[str, Any] = rows.agg(*measures).collect()[0].asDict()
    medians = {name: float(found[f"median_{i}"] or 0.0) for i, name in enumerate(numbers)}
    return medians, tuple(name for i, name in enumerate(numbers) if found[f"missing_{i}"])


def _categories(rows: DataFrame, texts: Mapping[str, str], most: int) -> dict[str, tuple[str, ...]]:
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    if not texts:
        return {}
    pairs = F.array(*(F.struct(F.lit(i).alias("place"), F.expr(sql).alias("value"))
                      for i, sql in enumerate(texts.values())))
    counts = rows.select(F.inline(pairs)).groupBy("place", "value").count()
    order = Window.partitionBy("place").orderBy(F.desc("count"), "value")
    top = counts.withColumn("rank", F.row_number().over(order)).where(f"rank <= {most}").collect()
    top.sort(key=lambda row: (row["place"], row["rank"]))
    return {name: tuple(row["value"] for row in top if row["place"] == i) for i, name in enumerate(texts)}


def _number(sql: str) -> str:
    # Not-a-number is greater than infinity in Spark's order, so one comparison leaves the finite numbers.
    number = f"CAST({sql} AS DOUBLE)"
    return f"IF(abs({number}) < double('infinity'), {number}, NULL)"


def _text(sql: str) -> str:
    return f"coalesce(CAST({sql} AS STRING), '{MISSING}')"
