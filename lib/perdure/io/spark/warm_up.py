"""A short pass over what jobs use of Spark, run once while Java records the classes it loads (see local-java.sh)."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from pyspark.ml import Estimator, Pipeline, Transformer
from pyspark.ml.classification import GBTClassifier, LogisticRegression, RandomForestClassifier
from pyspark.ml.evaluation import BinaryClassificationEvaluator
from pyspark.ml.feature import Imputer, OneHotEncoder, StringIndexer, VectorAssembler
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F


def tables(spark: SparkSession, folder: Path) -> DataFrame:
    """Files in, Delta out: read, append, replace, merge, window, join, quarantine."""
    rows = spark.range(200).select(
        "id",
        F.concat(F.lit("k"), F.col("id") % 5).alias("name"),
        F.rand(1).alias("x"),
        F.timestamp_seconds(F.col("id") * 3600).alias("at"),
    )
    rows.write.csv(str(folder / "csv"), header=True)
    rows.write.json(str(folder / "json"))
    schema = "id BIGINT, name STRING, x DOUBLE, at TIMESTAMP, _corrupt STRING"
    read = spark.read.schema(schema).option("columnNameOfCorruptRecord", "_corrupt")
    both = read.csv(str(folder / "csv"), header=True).union(read.json(str(folder / "json")))
    path = str(folder / "table")
    both.withColumn("file", F.input_file_name()).write.format("delta").save(path)
    table = spark.read.format("delta").load(path)
    rule = {"replaceWhere": "at >= '1970-01-03' AND at < '1970-01-04'", "userMetadata": "warm-up"}
    day = table.where(rule["replaceWhere"])
    day.write.format("delta").mode("overwrite").options(**rule).save(path)
    day.limit(3).write.format("delta").mode("append").option("txnAppId", "a").option("txnVersion", "1").save(path)
    table.createOrReplaceTempView("t")
    spark.sql(
        f"MERGE INTO delta.`{path}` o USING (SELECT DISTINCT * FROM t WHERE id = 1 LIMIT 1) n ON o.id = n.id "
        "WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
    )
    return spark.sql(
        "SELECT a.id, a.name, a.x, avg(b.x) OVER (PARTITION BY b.name ORDER BY b.at "
        "RANGE BETWEEN INTERVAL '86400' SECOND PRECEDING AND INTERVAL '1' SECOND PRECEDING) AS lagged, "
        "CAST(a.x > 0.5 AS DOUBLE) AS label, try_to_timestamp(a.name) AS t "
        "FROM t a LEFT JOIN t b ON a.id = b.id AND b.at < a.at + INTERVAL 1 HOUR"
    )


def models(data: DataFrame) -> None:
    """Fit, score and evaluate the usual families."""
    stages: list[Estimator[Any] | Transformer] = [
        StringIndexer(inputCol="name", outputCol="i", handleInvalid="keep"),
        OneHotEncoder(inputCol="i", outputCol="o"),
        Imputer(inputCols=["x", "lagged"], outputCols=["x1", "l1"]),
        VectorAssembler(inputCols=["o", "x1", "l1"], outputCol="features"),
    ]
    ready = Pipeline(stages=stages).fit(data).transform(data).cache()
    for estimator in (LogisticRegression(maxIter=2), RandomForestClassifier(numTrees=2), GBTClassifier(maxIter=2)):
        scored = estimator.fit(ready).transform(ready)
        BinaryClassificationEvaluator().evaluate(scored)
    ready.unpersist()


def main() -> None:
    """Run it in a folder of its own."""
    spark = SparkSession.builder.appName("perdure-warm-up").getOrCreate()
    with tempfile.TemporaryDirectory() as folder:
        data = tables(spark, Path(folder))
        data.agg(F.count("*"), F.approx_count_distinct("x"), F.percentile_approx("x", 0.5)).collect()
        data.mapInArrow(lambda batches: batches, data.schema).groupBy("name").count().collect()
        models(data)
    spark.stop()


if __name__ == "__main__":
    main()
