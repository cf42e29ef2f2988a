"""Multivariate drift by a domain classifier: how well a model tells an interval's rows from the reference's.

As NannyML defines it: reference and current rows are put together, a classifier is fitted on which of the two a row
comes from, rows are judged by a fit that hasn't seen them, and the area under ROC is the figure: 0.5 where nothing
tells them apart, 1 where everything does. NannyML fits LightGBM in five folds; here it is MLlib's random forest in two,
on a sample of both sides, so that the cost doesn't grow with the data. It sees what a reconstruction error can't: any
change of any combination of columns that a tree can follow.

Numbers are taken as they are (what is missing below all others), texts in 128 cells of their hash: nothing has to be
learnt or kept beside the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from perdure.core.identifiers import quoted

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

ROWS = 10_000
"""Of a side, at most: of the reference these many are stored a training."""
SCHEMA = "part string, row string"
LEAST = 100  # rows of a side
OWN = 5  # of the reference's own intervals, that are told from its others
_FEWEST, _USUAL = 3, 0.65  # own areas from which a bound follows; NannyML's upper threshold
_CELLS = 128
_FOLDS = 2
_FAR = 1e300
_FROM, _FOLD = "__from", "__fold"


@dataclass(frozen=True)
class Separation:
    """`area`: under ROC; `columns`: each one's share in telling the rows apart, the greatest first; `rows` in all."""

    area: float
    columns: Mapping[str, float]
    rows: int


def sample(rows: DataFrame, key: str, columns: Sequence[str], part: Column, *, many: int = ROWS) -> DataFrame:
    """So many rows, chosen by the hash of their key: the key, `part` (as text) and the columns as JSON, `row`. What is
    stored of a reference: its schema doesn't change with the features."""
    from pyspark.sql import functions as F

    picked = rows.orderBy(F.xxhash64(quoted(key))).limit(many)
    # An infinity is no JSON that reads back: it counts as very far.
    told = F.to_json(F.struct(*[_plain(rows, name).alias(name) for name in columns]))
    return picked.select(quoted(key), part.cast("string").alias("part"), told.alias("row"))


def separation(
    reference: DataFrame, rows: DataFrame, key: str, kinds: Mapping[str, str], seed: int, *, many: int = ROWS
) -> Separation | None:
    """How well `rows` (at most `many`, by the hash of their key) are told from a stored `sample`, by the columns of
    `kinds` (numeric or categorical); None where a side has fewer than `LEAST` rows."""
    from pyspark.sql import functions as F

    nobody = F.lit(None).cast("string")
    return _separation(reference, sample(rows, key, list(kinds), nobody, many=many), key, kinds, seed)


def own(reference: DataFrame, key: str, kinds: Mapping[str, str], seed: int) -> list[float]:
    """The areas of a sample's own latest parts, each told from its others: what the passing of time alone makes."""
    from pyspark.sql import functions as F

    counts = reference.groupBy("part").count().collect()
    parts = sorted((row["part"] for row in counts if row["part"] is not None and row["count"] >= LEAST), key=_number)
    found = []
    for part in parts[-OWN:] if len(parts) > 1 else ():
        mine = F.col("part").eqNullSafe(part)
        one = _separation(reference.where(~mine), reference.where(mine), key, kinds, seed)
        found.append(one.area if one else None)
    return [area for area in found if area is not None]


def facts(  # noqa: PLR0913 (two sides, how they are read, and what is usual)
    reference: DataFrame, rows: DataFrame, key: str, kinds: Mapping[str, str], seed: int,
    *, known: Sequence[float], false_alarms: float,
) -> dict[str, Any]:
    """What monitoring records: the area, the bound that follows from the `known` ones, whether it is beyond, and the
    columns that tell the rows apart; `why_not` alone where a side has too few rows."""
    found = separation(reference, rows, key, kinds, seed) if kinds else None
    if found is None:
        return {"domain": {"why_not": f"fewer than {LEAST} rows in the reference or the interval, or no features"}}
    high = bound(known, false_alarms)
    columns = {name: float(f"{share:.4g}") for name, share in list(found.columns.items())[:5]}
    return {"domain": {"area": found.area, "high": high, "drifted": found.area > high, "rows": found.rows,
                       "columns": columns}}


def bound(known: Sequence[float], false_alarms: float) -> float:
    """Which the area of one more interval exceeds with the chance `false_alarms` while nothing changes but what did in
    the reference, too (Student's t over its `own` areas); NannyML's 0.65 where those are too few."""
    from scipy.stats import t

    many = len(known)
    if many < _FEWEST:
        return _USUAL
    mean = sum(known) / many
    spread = (sum((area - mean) ** 2 for area in known) / (many - 1)) ** 0.5
    return float(mean + t.ppf(1 - false_alarms, many - 1) * spread * (1 + 1 / many) ** 0.5)


def _separation(
    before: DataFrame, now: DataFrame, key: str, kinds: Mapping[str, str], seed: int
) -> Separation | None:
    from pyspark.ml.classification import RandomForestClassifier
    from pyspark.ml.evaluation import BinaryClassificationEvaluator
    from pyspark.ml.feature import VectorAssembler
    from pyspark.sql import functions as F

    sides = [side.select(quoted(key), "row", F.lit(of).alias(_FROM)) for side, of in ((before, 0.0), (now, 1.0))]
    both = sides[0].unionByName(sides[1])
    coded = _coded(both, key, kinds, seed)
    assembler = VectorAssembler(inputCols=[f"c{at}" for at in range(len(kinds))], outputCol="features")
    vectors = assembler.transform(coded).select("features", _FROM, _FOLD).persist()
    try:
        counts = {row[_FROM]: row["count"] for row in vectors.groupBy(_FROM).count().collect()}
        if min(counts.get(0.0, 0), counts.get(1.0, 0)) < LEAST:
            return None
        forest = RandomForestClassifier(
            labelCol=_FROM, weightCol="weight", numTrees=20, maxDepth=6, maxBins=_CELLS, seed=seed)
        many = sum(counts.values())
        weight = F.when(F.col(_FROM) == 0.0, many / counts[0.0]).otherwise(many / counts[1.0])
        weighed = vectors.withColumn("weight", weight)
        judged: list[DataFrame] = []
        shares = [0.0] * len(kinds)
        for fold in range(_FOLDS):
            model = forest.fit(weighed.where(F.col(_FOLD) != fold))
            part = model.transform(weighed.where(F.col(_FOLD) == fold)).select(_FROM, "rawPrediction")
            judged.append(part)
            shares = [share + more / _FOLDS for share, more in zip(shares, model.featureImportances, strict=True)]
        area = BinaryClassificationEvaluator(labelCol=_FROM, numBins=0).evaluate(judged[0].unionByName(judged[1]))
    finally:
        vectors.unpersist()
    ranked = sorted(zip(kinds, shares, strict=True), key=lambda item: (-item[1], item[0]))
    # Sums of floats differ in their last digits from run to run.
    return Separation(round(float(area), 9), {name: float(share) for name, share in ranked}, int(sum(counts.values())))


def _coded(rows: DataFrame, key: str, kinds: Mapping[str, str], seed: int) -> DataFrame:
    """Each column as a number: `c0`, `c1`, ...; and the fold, the same for rows of one key."""
    from pyspark.sql import functions as F

    cells = {"ml_attr": {"type": "nominal", "num_vals": _CELLS}}
    schema = ", ".join(f"{quoted(name)} {'double' if kind == 'numeric' else 'string'}" for name, kind in kinds.items())
    parsed = rows.withColumn("row", F.from_json("row", schema))
    wanted = []
    for at, (name, kind) in enumerate(kinds.items()):
        value = F.col("row").getField(name)
        if kind == "numeric":
            wanted.append(F.coalesce(F.nanvl(value, F.lit(_FAR)), F.lit(-_FAR)).alias(f"c{at}"))
        else:
            wanted.append(F.pmod(F.xxhash64(value), F.lit(_CELLS)).cast("double").alias(f"c{at}", metadata=cells))
    fold = F.pmod(F.xxhash64(quoted(key), F.lit(seed)), F.lit(_FOLDS)).alias(_FOLD)
    return parsed.select(*wanted, fold, _FROM)


def _plain(rows: DataFrame, name: str) -> Column:
    """Numbers as doubles, an infinity or NaN as very far; the rest as text."""
    from pyspark.sql import functions as F
    from pyspark.sql.types import NumericType

    value = F.col(quoted(name))
    if not isinstance(rows.schema[name].dataType, NumericType):
        return value.cast("string")
    near = F.greatest(F.least(F.nanvl(value.cast("double"), F.lit(_FAR)), F.lit(_FAR)), F.lit(-_FAR))
    return F.when(value.isNotNull(), near)  # least and greatest pass over nulls


def _number(part: str) -> tuple[int, str]:
    """Parts in order of their number, where they are numbers."""
    return (int(part), "") if part.lstrip("-").isdigit() else (0, part)
