"""Golden rows: a few hundred rows that a fitted model is held to, with what MLlib predicts for them.

Rows of the holdout (which no training saw), and odd ones made from them: nulls, values that the training never had,
the ends of each type. They are stored with the model version. Whatever else predicts for that version - its compiled
form, or MLlib in another environment - must predict the same for them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from perdure.core.identifiers import quoted

from .compiled import Compiled
from .fitted import predict

if TYPE_CHECKING:
    from pyspark.ml import Transformer
    from pyspark.sql import Column, DataFrame, SparkSession

ROWS = 300
TOLERANCE = 1e-12
"""What the last bits of `exp` and of a sum of a few hundred terms may amount to."""
_WHOLE = {"tinyint": 8, "smallint": 16, "int": 32, "bigint": 64}
_NOT_FINITE = (float("nan"), float("inf"), float("-inf"))
_ODD: dict[str, tuple[Any, ...]] = {
    "string": ("", "never seen before", "it's a \"\\ {0}`"),
    "boolean": (True, False),
    "double": (1e300, -1e300, 5e-324, -0.0, *_NOT_FINITE),
    "float": (3e38, -3e38, 1e-40, -0.0, *_NOT_FINITE),
    "date": ("0002-01-01", "9999-12-31", "2024-02-29"),
    "timestamp": ("0002-01-01 00:00:00", "9999-12-31 23:59:59.999999", "1969-12-31 23:59:59"),
}


_ODD["timestamp_ntz"] = _ODD["timestamp"]
_DATES = ("date", "timestamp", "timestamp_ntz")  # kept as text, as the session's time zone has them


@dataclass(frozen=True)
class Agreement:
    """Two answers on the same rows: rows, those whose class differs, and the largest difference (relative where the
    numbers are above 1)."""

    rows: int
    different: int
    largest: float

    @property
    def equal(self) -> bool:
        """The same classes, and numbers within `TOLERANCE`."""
        return self.within(TOLERANCE)

    def within(self, tolerance: float) -> bool:
        """The same classes, and numbers no further apart than `tolerance`."""
        return self.rows > 0 and not self.different and self.largest <= tolerance


@dataclass(frozen=True)
class Golden:
    """`columns`: feature name to SQL type. `rows`: their values, JSON-ready. `answers`: what MLlib gives for each row:
    its class (regression: its prediction) and `probability` (see `fitted.outputs`)."""

    task: str
    columns: Mapping[str, str]
    rows: tuple[tuple[Any, ...], ...]
    answers: tuple[tuple[float | None, float | None], ...] = ()

    def frame(self, spark: SparkSession) -> DataFrame:
        """The rows with `_golden` (their number), and `_class` and `_chance` where there are answers."""
        from pyspark.sql import functions as F
        from pyspark.sql.utils import is_remote

        kinds = list(self.columns.values())
        dates = {name: kind for name, kind in self.columns.items() if kind in _DATES}
        names = ["_golden bigint", *(f"{quoted(name)} {'string' if name in dates else kind}"
                                     for name, kind in self.columns.items())]
        values = [(number, *map(_typed, row, kinds)) for number, row in enumerate(self.rows)]
        if self.answers:
            names += ["_class double", "_chance double"]
            values = [(*row, *answer) for row, answer in zip(values, self.answers, strict=True)]
        unverified = {} if is_remote() else {"verifySchema": False}  # Connect verifies nothing, and says so
        frame = spark.createDataFrame(values, ", ".join(names), **unverified)
        return frame.withColumns({name: F.col(quoted(name)).cast(kind) for name, kind in dates.items()})

    def check(self, model: Transformer | Compiled, spark: SparkSession, *, copies: int = 1) -> Agreement:
        """What `model` predicts for them here, against the stored answers. `copies`: how often each row is scored.
        One action."""
        from pyspark.sql import functions as F

        rows = self.frame(spark)
        if copies > 1:
            rows = rows.withColumn("_copy", F.explode(F.sequence(F.lit(1), F.lit(copies))))
        return _agreement(predict(model, rows, self.task), self.task)

    def to_json(self) -> str:
        """JSON; not-a-number and infinity as Python's json writes them."""
        return json.dumps({"task": self.task, "columns": self.columns, "rows": self.rows, "answers": self.answers},
                          default=str)

    @classmethod
    def from_json(cls, text: str) -> Golden:
        """The inverse of `to_json`."""
        data = json.loads(text)
        return cls(data["task"], data["columns"], tuple(map(tuple, data["rows"])), tuple(map(tuple, data["answers"])))


def choose(holdout: DataFrame, columns: Mapping[str, str], key: str, task: str) -> Golden:
    """Up to `ROWS` rows of the holdout, always the same ones, and the odd ones; no answers yet. One action."""
    from pyspark.sql import functions as F

    # A few hundred rows by construction: they are to be a file beside the model.
    kept = [F.col(quoted(name)).cast("string") if kind in _DATES else F.col(quoted(name))
            for name, kind in columns.items()]
    some = holdout.select(*kept, F.xxhash64(quoted(key)).alias("_order"))
    found = [tuple(row)[:-1] for row in some.orderBy("_order").limit(ROWS).collect()]
    return Golden(task, columns, tuple([*found, *odd(columns, found[0] if found else None)]))


def odd(columns: Mapping[str, str], base: Sequence[Any] | None) -> list[tuple[Any, ...]]:
    """Rows that no training expects: `base` with each column null, then odd, in turn; and rows of nothing but nulls or
    odd values."""
    plain = tuple(base) if base is not None else (None,) * len(columns)
    strange = [_strange(kind) for kind in columns.values()]
    rows = [(*plain[:place], value, *plain[place + 1 :])
            for place, values in enumerate(strange) for value in (None, values[place % len(values)])]
    most = max(map(len, strange))
    return [(None,) * len(columns), *rows,
            *(tuple(values[turn % len(values)] for values in strange) for turn in range(most))]


def answered(golden: Golden, model: Transformer, other: Compiled | None,
             spark: SparkSession) -> tuple[Golden, Agreement | None]:
    """The golden rows with MLlib's answers, and how well those of `other` agree with them. One action."""
    rows = _both(model, other or model, golden.frame(spark), golden.task)
    found = sorted(rows.select("_golden", "_class", "_chance", *_apart(golden.task)).collect())
    told = Golden(golden.task, golden.columns, golden.rows, tuple((row["_class"], row["_chance"]) for row in found))
    if other is None:
        return told, None
    return told, Agreement(len(found), sum(row["_differs"] for row in found), max(row["_gap"] for row in found))


def agreement(model: Transformer | Compiled, other: Transformer | Compiled, rows: DataFrame, task: str) -> Agreement:
    """What two models, or forms of one, give for the same rows. One action."""
    return _agreement(_both(model, other, rows, task), task)


def _both(model: Transformer | Compiled, other: Transformer | Compiled, rows: DataFrame, task: str) -> DataFrame:
    """`_class` and `_chance` of one, `prediction` and `probability` of the other."""
    first = predict(model, rows, task).withColumnsRenamed({"prediction": "_class", "probability": "_chance"})
    return predict(other, first, task)


def _agreement(rows: DataFrame, task: str) -> Agreement:
    from pyspark.sql import functions as F

    row = rows.select(*_apart(task)).agg(
        F.count("*").alias("rows"), F.count_if("_differs").alias("different"), F.max("_gap").alias("gap")).collect()[0]
    return Agreement(int(row["rows"]), int(row["different"]), float(row["gap"] or 0.0))


def _apart(task: str) -> list[Column]:
    """`_differs`: whether the classes differ; `_gap`: how far the numbers are apart. A null is as far as can be."""
    from pyspark.sql import functions as F

    one, other = ("_class", "prediction") if task == "regression" else ("_chance", "probability")
    differs = "false" if task == "regression" else "NOT (_class <=> prediction)"
    gap = (f"IF({one} <=> {other}, 0D, coalesce(nanvl(abs({one} - {other}) / greatest(1D, abs({one})), "
           "double('infinity')), double('infinity')))")
    return [F.expr(differs).alias("_differs"), F.expr(gap).alias("_gap")]


def _strange(kind: str) -> tuple[Any, ...]:
    if kind in _WHOLE:
        most = 2 ** (_WHOLE[kind] - 1)
        return (most - 1, -most, 0)
    if kind.startswith("decimal"):
        digits, places = map(int, kind[len("decimal("):-1].split(","))
        return (str(Decimal(10**digits - 1).scaleb(-places)), "0")
    return _ODD[kind]


def _typed(value: Any, kind: str) -> Any:
    """A stored value as Spark wants it."""
    return Decimal(str(value)) if kind.startswith("decimal") and value is not None else value
