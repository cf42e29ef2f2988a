"""The reference and the monitoring step on Spark: Databricks' columns, right figures, few jobs."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from perdure.core.config import Pipeline
from perdure.core.errors import PerdureError
from perdure.core.interval import Duration, Interval
from perdure.core.protocols import StepResult
from perdure.profile.files import Stored, Within, plain_files
from perdure.profile.profile import ALL, Profile, Slice
from perdure.run.evidence import together
from perdure.steps import monitor as monitoring
from perdure.steps.monitor import monitor, read_profiles
from perdure.steps.reference import read, reference
from perdure.testing.spark import count_jobs

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

INTERVAL = Interval.parse("2013-05", Duration(1, "month"))
PIPELINE = Pipeline.model_validate(
    {
        "pipeline": "flights",
        "targets": {"local": {"storage": "x", "tracking": "y", "default": True}},
        "interval": "1 month",
        "start": "2013-01",
        "sources": {"schedule": {"format": "csv", "path": "x", "schema": {"flight_id": "string"}}},
        "features": {"sql": "x.sql", "key": "flight_id", "event_time": "scheduled_at"},
        "label": {"column": "late", "from": "schedule"},
        "model": {"task": "binary", "families": ["gbt"]},
        "train": {"window": "3 months", "holdout": "1 month"},
        "monitor": {"slices": ["origin", "gone"]},
    }
)
NUMBERS, WHOLE, TEXTS = 10, 8, 3


def columns(shift: float) -> list[str]:
    """25 columns with the key and the event time: numbers, whole numbers with few values, strings, a slice."""
    numbers = [f"randn({i}) * 10 + {shift} n{i}" for i in range(NUMBERS)]
    whole = [f"cast(floor(rand({i}) * 24) as int) i{i}" for i in range(WHOLE)]
    texts = [f"concat('c', cast(floor(rand({i}) * 30) as string)) s{i}" for i in range(TEXTS)]
    odd = ["if(id % 10 = 0, null, randn(99)) holed", "element_at(array('EWR', 'JFK', 'LGA'), int(id % 3) + 1) origin"]
    return [
        "concat('f', id) flight_id",
        "timestamp '2013-05-01' + make_interval(0, 0, 0, 0, 0, 0, id) scheduled_at",
        *numbers,
        *whole,
        *texts,
        *odd,
    ]


def trained(spark: SparkSession, many: int = 2_000) -> DataFrame:
    return spark.range(0, many, numPartitions=2).selectExpr(
        *columns(0), "double(id % 2) prediction", "rand(5) probability", "double(id % 2) label", "'2013-03' _interval"
    )


def lived(spark: SparkSession, many: int, shift: float) -> tuple[DataFrame, DataFrame, DataFrame]:
    rows = spark.range(0, many, numPartitions=2)
    names = columns(shift)[:2]
    features = rows.selectExpr(*columns(shift), "'2013-05' _interval", "'r1' _run_id")
    predictions = rows.selectExpr(
        *names,
        "double(id % 2) prediction",
        "rand(6) probability",
        "'7' model_version",
        "'champion' role",
        "'2013-05' _interval",
    ).union(
        rows.selectExpr(
            *names, "1d prediction", "0.9d probability", "'8' model_version", "'shadow' role", "'2013-05' x"
        )
    )
    labels = rows.where("id % 4 > 0").selectExpr(*names, "if(id % 4 = 1, null, double(id % 2)) label")
    return features, predictions, labels


Profiles = Mapping[Slice, Profile]


@pytest.fixture(scope="module")
def baseline(spark: SparkSession) -> Profiles:
    return read(reference(trained(spark), pipeline=PIPELINE).writes[0].rows.collect())


@pytest.fixture(scope="module")
def result(spark: SparkSession, baseline: Profiles) -> StepResult:
    return monitor(*lived(spark, 2_000, 8), reference=baseline, previous=baseline, pipeline=PIPELINE, interval=INTERVAL)


def table(result: StepResult, name: str) -> list[Any]:
    return next(write for write in result.writes if write.table == name).rows.collect()


def test_reference(spark: SparkSession) -> None:
    (written,) = reference(trained(spark), pipeline=PIPELINE).writes
    assert (written.table, written.mode) == ("profiles", "append")
    rows = written.rows.collect()
    assert {row["log_type"] for row in rows} == {"BASELINE"}
    window = rows[0]["window"]
    assert (str(window["start"]), str(window["end"])) == ("2013-05-01 00:00:00", "2013-05-01 00:33:19")
    profiles = read(rows)
    assert list(profiles) == [ALL, *(("origin", name) for name in ("EWR", "JFK", "LGA"))]
    whole = profiles[ALL]
    assert whole.rows == 2_000
    assert {"prediction", "probability", "label", "origin", "holed"} <= set(whole.columns)
    assert not {"flight_id", "scheduled_at", "_interval", "__event_time"} & set(whole.columns)
    parts = [profile for key, profile in profiles.items() if key != ALL]
    total = parts[0] + parts[1] + parts[2]
    assert total.rows == whole.rows
    assert total.columns["origin"] == whole.columns["origin"], "numbers are coarser in a slice, categories aren't"


def test_windows_add_up(baseline: Profiles, spark: SparkSession) -> None:
    rows = reference(trained(spark), pipeline=PIPELINE).writes[0].rows.collect()
    assert read([*rows, *rows])[ALL] == baseline[ALL] + baseline[ALL]


def test_profiles_come_back_by_run(result: StepResult, baseline: Profiles) -> None:
    from pyspark.sql import functions as F

    write = result.writes[0]
    assert (write.table, write.mode) == ("profiles", "append")
    stored = write.rows.withColumn("_run_id", F.lit("mine"))
    found = read_profiles(stored, "mine")
    assert found.keys() == baseline.keys()
    assert found[ALL].rows == 2_000
    assert found[ALL].zero() == baseline[ALL].zero()
    assert read_profiles(stored, "other") == {}


def test_labels_and_predictions_are_those_of_the_champion(result: StepResult) -> None:
    rows = {row["column_name"]: row for row in table(result, "profile_metrics") if row["slice_key"] is None}
    assert (rows["label"]["count"], rows["label"]["num_nulls"]) == (1_000, 1_000)
    assert rows["prediction"]["avg"] == 0.5
    assert {row["model_id"] for row in rows.values()} == {"7"}
    assert result.facts["label_coverage"] == 0.5


def test_profile_metrics(result: StepResult) -> None:
    rows = table(result, "profile_metrics")
    whole = {row["column_name"]: row.asDict(recursive=True) for row in rows if row["slice_key"] is None}
    assert len(rows) == 4 * len(whole)
    assert whole[":table"]["count"] == 2_000
    assert set(whole[":table"]["non_null_columns"]) == set(whole) - {":table"}
    assert {row["granularity"] for row in whole.values()} == {"1 month"}
    assert str(whole["n0"]["window"]["end"]) == "2013-06-01 00:00:00"
    holed = whole["holed"]
    assert (holed["count"], holed["num_nulls"], holed["percent_null"]) == (1_800, 200, 10.0)
    assert whole["n1"]["avg"] == pytest.approx(8, abs=1)
    assert whole["n1"]["median"] == pytest.approx(8, abs=1)
    assert whole["n1"]["stddev"] == pytest.approx(10, abs=1)
    assert whole["i1"]["distinct_count"] == pytest.approx(24, abs=1)
    assert (whole["i1"]["min"], whole["i1"]["max"], whole["i1"]["data_type"]) == (0.0, 23.0, "int")
    assert whole["origin"]["frequent_items"][0] == {"item": "EWR", "count": 667}
    assert (whole["s0"]["min_length"], whole["s0"]["max_length"]) == (2.0, 3.0)
    assert whole["s0"]["avg"] is None
    sliced = next(row for row in rows if row["slice_value"] == "JFK" and row["column_name"] == ":table")
    assert (sliced["slice_key"], sliced["count"]) == ("origin", 667)


def test_drift_metrics(result: StepResult) -> None:
    rows = table(result, "drift_metrics")
    kinds = {kind: [row for row in rows if row["drift_type"] == kind] for kind in ("BASELINE", "CONSECUTIVE")}
    assert len(kinds["BASELINE"]) == len(kinds["CONSECUTIVE"]) == len(rows) // 2
    whole = {row["column_name"]: row for row in kinds["BASELINE"] if row["slice_key"] is None}
    assert whole["n1"]["population_stability_index"] > 0.3 > 0.05 > whole["i1"]["population_stability_index"]
    assert whole["n1"]["wasserstein_distance"] == pytest.approx(8, rel=0.1)
    assert whole["n1"]["ks_test"]["statistic"] == pytest.approx(0.31, abs=0.04)
    assert whole["n1"]["ks_test"]["pvalue"] < 1e-9
    assert whole["n1"]["avg_delta"] == pytest.approx(8, abs=0.5)
    assert (whole["s1"]["chi_squared_test"]["pvalue"], whole["s1"]["ks_test"]) == (1.0, None)
    assert whole[":table"]["non_null_columns_delta"].asDict() == {"added": 0, "missing": 0}
    assert whole["n1"]["window_cmp"] is None
    assert {str(row["window_cmp"]["start"]) for row in kinds["CONSECUTIVE"]} == {"2013-04-01 00:00:00"}


def test_column_names_are_those_of_databricks(result: StepResult) -> None:
    drift = {
        "window",
        "granularity",
        "monitor_version",
        "slice_key",
        "slice_value",
        "column_name",
        "data_type",
        "window_cmp",
        "drift_type",
        "count_delta",
        "avg_delta",
        "percent_null_delta",
        "percent_zeros_delta",
        "percent_distinct_delta",
        "non_null_columns_delta",
        "js_distance",
        "ks_test",
        "wasserstein_distance",
        "population_stability_index",
        "chi_squared_test",
        "tv_distance",
        "l_infinity_distance",
    }
    profile = {
        "window",
        "log_type",
        "logging_table_commit_version",
        "monitor_version",
        "granularity",
        "slice_key",
        "slice_value",
        "column_name",
        "count",
        "data_type",
        "num_nulls",
        "avg",
        "quantiles",
        "min",
        "max",
        "stddev",
        "num_zeros",
        "num_nan",
        "min_length",
        "max_length",
        "avg_length",
        "non_null_columns",
        "frequent_items",
        "median",
        "distinct_count",
        "percent_nan",
        "percent_null",
        "percent_zeros",
        "percent_distinct",
        "model_id",
    }
    written = {write.table: set(write.rows.columns) for write in result.writes}
    assert drift <= written["drift_metrics"]
    assert profile <= written["profile_metrics"]


def test_facts(result: StepResult) -> None:
    facts = json.loads(json.dumps(result.facts, allow_nan=False))
    assert (facts["rows"], facts["model_version"], facts["slices"]) == (2_000, "7", 3)
    assert facts["null_shares"] == {"holed": 0.1, "label": 0.5}
    assert {item["column"][0] for item in facts["worst"]} == {"n"}
    assert set(facts["drifted"]) == {f"n{i}" for i in range(NUMBERS)}
    assert set(facts["drift_outputs"]) == {"prediction", "probability", "label"}
    assert "label" not in facts["drift"]


def test_columns_that_changed_are_told(spark: SparkSession, baseline: Profiles) -> None:
    features, predictions, _ = lived(spark, 300, 0)
    features = features.drop("n0").selectExpr("* except (i0)", "'text' i0", "1 fresh")
    found = monitor(features, predictions, reference=baseline, pipeline=PIPELINE, interval=INTERVAL)
    unfit = [found.facts[name] for name in ("columns_missing", "columns_new", "columns_changed")]
    assert unfit == [["n0"], ["fresh"], ["i0"]]
    assert found.facts["label_coverage"] == 0
    assert {row["drift_type"] for row in table(found, "drift_metrics")} == {"BASELINE"}


def test_an_empty_interval_is_profiled_too(spark: SparkSession, baseline: Profiles) -> None:
    parts = [part.limit(0) for part in lived(spark, 10, 0)]
    found = monitor(*parts, reference=baseline, pipeline=PIPELINE, interval=INTERVAL)
    assert (found.facts["rows"], found.facts["model_version"]) == (0, "*")
    assert json.dumps(found.facts, allow_nan=False)
    assert all(row["population_stability_index"] is None for row in table(found, "drift_metrics"))


def test_another_reference_is_not_compared_with_the_interval_before(spark: SparkSession, baseline: Profiles) -> None:
    few = read(reference(trained(spark, 50), pipeline=PIPELINE).writes[0].rows.collect())
    found = monitor(*lived(spark, 300, 0), reference=baseline, previous=few, pipeline=PIPELINE, interval=INTERVAL)
    rows = [row for row in table(found, "drift_metrics") if row["drift_type"] == "CONSECUTIVE"]
    assert next(row for row in rows if row["column_name"] == "n1")["population_stability_index"] is None
    assert next(row for row in rows if row["column_name"] == "n1")["count_delta"] == 250


def test_without_a_reference_it_says_what_to_do(spark: SparkSession) -> None:
    with pytest.raises(PerdureError, match="--rerun"):
        monitor(*lived(spark, 10, 0), reference={}, pipeline=PIPELINE, interval=INTERVAL)


def test_few_jobs(spark: SparkSession, baseline: Profiles, tmp_path: Path) -> None:
    inputs = []
    for name, rows in zip(("features", "predictions", "labels"), lived(spark, 28_000, 2), strict=True):
        rows.write.format("delta").save(str(tmp_path / name))
        inputs.append(spark.read.format("delta").load(str(tmp_path / name)))
    for rows in inputs:  # Delta reads a table's log in jobs of its own the first time
        rows.write.format("noop").mode("overwrite").save()
    began = time.monotonic()
    with count_jobs(spark) as count:
        found = monitor(*inputs, reference=baseline, previous=baseline, pipeline=PIPELINE, interval=INTERVAL)
    seconds = time.monotonic() - began
    assert found.facts["rows"] == 28_000
    assert count.jobs <= 6, f"{count.jobs} jobs in {seconds:.1f} s"


def test_schema_texts_split_at_the_top_level_only() -> None:
    assert monitoring._fields("a int, b struct<x: int, y: array<int>>, c string") == [
        "a int",
        "b struct<x: int, y: array<int>>",
        "c string",
    ]


def test_swings_of_the_reference(spark: SparkSession) -> None:
    """Four hours in minutes: the reference's own intervals, at most 48 of them, in the same two actions."""
    hours = PIPELINE.model_copy(update={"interval": Duration(10, "minute"), "train": PIPELINE.train.model_copy(
        update={"window": Duration(4, "hour")})})
    rows = trained(spark, 6_000).localCheckpoint()
    with count_jobs(spark) as count:
        found = reference(rows, pipeline=hours)
    assert count.jobs <= 2
    swings = json.loads(json.dumps(found.facts["swings"], allow_nan=False))
    assert swings["rows"] == [600] * 10
    assert set(swings["columns"]) >= {"n0", "i0", "s0", "origin"}
    assert 0 < max(swings["columns"]["n0"]["population_stability_index"]) < 0.2
    profiles = read(found.writes[0].rows.collect())
    assert {key for key, _ in profiles} == {None, "origin"}
    many = PIPELINE.model_copy(update={"interval": Duration(1, "minute")})
    fewer = reference(rows, pipeline=many).facts["swings"]["rows"]
    assert len(fewer) <= 48


def test_thresholds_follow_the_swings_unless_fixed(spark: SparkSession, baseline: Profiles) -> None:
    wild = {"rows": [2000] * 4, "columns": {name: {"population_stability_index": [0.5, 1.0, 2.0, 4.0]}
                                            for name in ("n0", "n1")}}
    found = monitor(*lived(spark, 2_000, 8), reference=baseline, swings=wild, pipeline=PIPELINE, interval=INTERVAL)
    bound = found.facts["drift_thresholds"]["n0"]["population_stability_index"]
    assert bound > 4
    assert "population_stability_index" not in found.facts["drifted"]["n0"]
    assert "population_stability_index" in found.facts["drifted"]["n2"]
    assert found.facts["new_categories"] == {}
    fixed = PIPELINE.model_copy(update={"monitor": PIPELINE.monitor.model_copy(
        update={"thresholds": {"population_stability_index": 0.3}})})
    found = monitor(*lived(spark, 2_000, 8), reference=baseline, swings=wild, pipeline=fixed, interval=INTERVAL)
    assert found.facts["drift_thresholds"]["n0"]["population_stability_index"] == 0.3


def test_new_categories_are_told(spark: SparkSession, baseline: Profiles) -> None:
    features, predictions, _ = lived(spark, 300, 0)
    odd = "if(flight_id in ('f1', 'f2', 'f3'), 'XXX', origin) origin"
    features = features.selectExpr("* except (origin)", odd)
    found = monitor(features, predictions, reference=baseline, pipeline=PIPELINE, interval=INTERVAL)
    assert found.facts["new_categories"] == {"origin": 0.01}


def test_the_features_own_files_give_the_same(spark: SparkSession, baseline: Profiles, tmp_path: Path) -> None:
    """Facts and states, whichever way the features are read; the files of other months aside."""
    features, predictions, labels = lived(spark, 3_000, 1)
    other = features.selectExpr("* except (scheduled_at, _interval)", "timestamp '2013-06-02' scheduled_at",
                                "'2013-06' _interval")
    place = str(tmp_path / "features")
    features.unionByName(other).write.format("delta").partitionBy("_interval").save(place)
    whole = spark.read.format("delta").load(place)
    within = Within("scheduled_at", INTERVAL.start, INTERVAL.end)
    mine = whole.where("scheduled_at < timestamp '2013-06-01'")
    assert len(plain_files(mine, f"delta.`{place}`", ["n0"], ["origin"], within) or ()) == 2
    given = {"reference": baseline, "previous": baseline, "pipeline": PIPELINE, "interval": INTERVAL}
    plain = monitor(mine, predictions, labels, **given)
    direct = monitor(mine, predictions, labels, stored=Stored(whole, f"delta.`{place}`", within), **given)
    assert direct.facts == plain.facts
    assert plain.facts["rows"] == 3_000
    for name in ("profiles", "profile_metrics", "drift_metrics"):
        theirs, ours = ({json.dumps(row.asDict(recursive=True), default=str) for row in table_rows}
                        for table_rows in (table(plain, name), table(direct, name)))
        assert ours == theirs


def test_whether_the_features_go_together_is_watched_where_it_is_wanted(spark: SparkSession) -> None:
    """In both scans, stored and read back, with bounds from the reference's own intervals."""
    watched = PIPELINE.model_copy(update={
        "monitor": PIPELINE.monitor.model_copy(update={"multivariate": True}), "interval": Duration(10, "minute"),
        "train": PIPELINE.train.model_copy(update={"window": Duration(4, "hour")})})
    made = reference(trained(spark, 6_000), pipeline=watched)
    base = read(made.writes[0].rows.collect())
    joint = base[ALL].joint
    assert joint is not None
    assert joint.rows == 6_000
    assert set(joint.columns) == {name for name in base[ALL].columns if name not in monitoring.OUTPUTS}
    assert all(profile.joint is None for key, profile in base.items() if key != ALL)
    known = made.facts["reconstruction"]
    assert len(known) == 10
    features, predictions, labels = lived(spark, 3_000, 0)
    parted = features.selectExpr("* except (n1)", "n0 + 0.1 * n1 n1")  # as wide as before, but no longer by itself
    given = {"reference": base, "previous": base, "known_errors": known, "pipeline": watched, "interval": INTERVAL}
    same, apart = (monitor(rows, predictions, labels, **given) for rows in (features, parted))
    assert not same.facts["multivariate"]["drifted"]
    changed, words = together(same.facts)["multivariate"]
    assert not changed
    assert words.startswith("reconstruction error ")
    assert apart.facts["multivariate"]["error"] != pytest.approx(same.facts["multivariate"]["error"], rel=1e-3)
    (row,) = (row for row in table(same, "drift_metrics") if row["column_name"] == ":table"
              and row["slice_key"] is None and row["drift_type"] == "BASELINE")
    assert row["reconstruction_error"] == pytest.approx(same.facts["multivariate"]["error"])
    assert read(table(same, "profiles"))[ALL].joint is not None


def test_a_classifier_tells_the_rows_apart_where_it_is_wanted(spark: SparkSession) -> None:
    """Stored beside the reference, once, with what its own intervals give."""
    watched = PIPELINE.model_copy(update={
        "monitor": PIPELINE.monitor.model_copy(update={"domain_classifier": True}), "interval": Duration(1, "hour"),
        "train": PIPELINE.train.model_copy(update={"window": Duration(4, "hour")})})
    made = reference(trained(spark, 1_500), pipeline=watched)
    sample = made.writes[1]
    assert (sample.table, sample.mode) == ("reference_samples", "append")
    assert sample.rows.count() == 1_500
    assert all(0 <= area <= 1 for area in made.facts["domain"])
    features, predictions, labels = lived(spark, 1_000, 0)
    base = read(made.writes[0].rows.collect())
    given = {"reference": base, "known_areas": [0.5, 0.51, 0.52], "pipeline": watched, "interval": INTERVAL}
    other = features.selectExpr("* except (n0)", "n0 + 50 n0")
    facts = monitor(other, predictions, labels, sample=sample.rows, **given).facts
    found = facts["domain"]
    assert found["drifted"]
    assert together(facts)["domain_classifier"][0]
    assert found["area"] > 0.9 > found["high"]
    assert next(iter(found["columns"])) == "n0"
    assert "domain" not in monitor(features, predictions, labels, **given).facts


def test_what_is_told_and_measured(result: StepResult) -> None:
    told = result.facts["told"]
    assert {one["column"][0] for one in told} == {"n"}
    shares = [part["share"] for part in told[0]["slices"]]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1, abs=1e-3)
    assert {part["key"] for part in told[0]["slices"]} == {"origin"}
    measured = {(column, name): value for column, name, value, *_ in result.facts["measures"]}
    assert measured["", "rows"] == 2_000
    assert measured["holed", "share of nulls"] == 0.1
    assert measured["origin", "rows in new categories"] == 0
