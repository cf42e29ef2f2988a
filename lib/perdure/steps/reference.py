"""The reference: profiles of the rows that a model was trained on, which its later intervals are compared with."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Literal

from perdure.core.interval import Duration
from perdure.core.protocols import StepResult, Write
from perdure.drift.calm import swings
from perdure.drift.multivariate import errors
from perdure.profile.extremes import Extremes
from perdure.profile.joint import Joint
from perdure.profile.profile import ALL, Column, ColumnProfile, Profile, Slice

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame, SparkSession

    from perdure.core.config import Pipeline

Window = tuple[datetime | None, datetime | None]
STATES = (
    "window struct<start: timestamp, end: timestamp>, log_type string, slice_key string, slice_value string, "
    "column_name string, state string"
)
JOINT = ":joint"  # the name under which it is stored how columns go together
OUTPUTS = ("prediction", "probability", "label")
_TIME = "__event_time"
_INTERVAL = "__interval"
INTERVALS = 48  # of the reference, that are profiled each by itself
_SECONDS = {"minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}
_MONDAY = 345_600  # 1970-01-05


def reference(rows: DataFrame, *, pipeline: Pipeline, many: bool = False) -> StepResult:
    """The rows' profiles (features, prediction, probability, label), whole and by slice, for table `profiles`. Its
    window is the first and the last event time. Fact `swings`: how far each of its intervals is from the others
    (`drift.calm`); with `monitor.multivariate` also `reconstruction`: how well the components of the whole rebuild each
    of them (`drift.multivariate`). Two Spark actions, one to choose edges and categories; `rows` are computed once and
    cached in between. `many`: see `profile.scan.scan`."""
    from pyspark.sql import functions as F

    from perdure.profile.scan import plan, scan

    slices, time = known_slices(rows, pipeline), pipeline.features.event_time
    rows = rows.persist()
    try:
        zero = plan(rows, profiled_columns(rows, pipeline), _jointly(rows, pipeline))
        timed = rows
        if time in rows.columns:
            timed = rows.withColumn(_TIME, F.col(time).cast("double")).withColumn(_INTERVAL, _numbered(pipeline))
            slices = [*slices, _INTERVAL]
            zero = Profile({**zero.columns, _TIME: ColumnProfile("double", "numeric", _clock())}, zero.joint)
        found = scan(timed, zero, slices, [_INTERVAL], many=many)
        sampled, areas = _sampled(timed, zero, pipeline)
    finally:
        rows.unpersist()
    window = _window(found[ALL])
    clean = {key: without(profile, _TIME) for key, profile in found.items()}
    kept = {key: profile for key, profile in clean.items() if key[0] != _INTERVAL}
    intervals = [profile for key, profile in clean.items() if key[0] == _INTERVAL]
    parts = swings([profile.alone() for profile in intervals])
    known = errors([profile.joint for profile in intervals if profile.joint])
    write = Write("profiles", states(rows.sparkSession, kept, window, "BASELINE"), "append")
    facts = {"reconstruction": known} if zero.joint else {}
    return StepResult((write, *sampled), {"swings": parts.to_dict(), **facts, **areas})


def kinds_of(profile: Profile) -> dict[str, str]:
    """The features of a profile, numeric or categorical."""
    return {name: column.kind for name, column in profile.columns.items() if name not in (*OUTPUTS, _TIME)}


def _sampled(rows: DataFrame, zero: Profile, pipeline: Pipeline) -> tuple[tuple[Write, ...], dict[str, Any]]:
    """With `monitor.domain_classifier`: the sample that later intervals are told from, for table `reference_samples`,
    and fact `domain`: how well its own intervals are told from each other."""
    from pyspark.sql import functions as F

    from perdure.evaluation import domain

    kinds, key = kinds_of(zero), pipeline.features.key
    if not pipeline.monitor.domain_classifier or not kinds:
        return (), {}
    part = F.col(_INTERVAL) if _INTERVAL in rows.columns else F.lit(None)
    sample = domain.sample(rows, key, list(kinds), part)
    return ((Write("reference_samples", sample.coalesce(1), "append"),),
            {"domain": domain.own(sample, key, kinds, pipeline.model.seed)})


def _jointly(rows: DataFrame, pipeline: Pipeline) -> list[str]:
    """The features, where the pipeline wants to know how they go together."""
    if not pipeline.monitor.multivariate:
        return []
    return [name for name in profiled_columns(rows, pipeline) if name not in OUTPUTS]


def _numbered(pipeline: Pipeline) -> SparkColumn:
    """The number of a row's interval, as text; null for some of them where there are very many."""
    from pyspark.sql import functions as F

    time, width = F.col(pipeline.features.event_time), pipeline.interval
    if width.unit in _SECONDS:
        start = _MONDAY if width.unit == "week" else 0
        number = F.floor((time.cast("double") - start) / (_SECONDS[width.unit] * width.count))
    else:
        months = F.year(time) * 12 + F.month(time) - 1
        number = F.floor(months / (width.count * (12 if width.unit == "year" else 1)))
    every = -(-_many(pipeline.train.window, width) // INTERVALS)
    return F.when(F.pmod(number, F.lit(every)) == 0, number).cast("string")


def _many(window: Duration, width: Duration) -> int:
    return max(1, -(-window.approximate // width.approximate))


def profiled_columns(rows: DataFrame, pipeline: Pipeline) -> list[str]:
    """All columns but the key, the event time and those that the engine adds."""
    left_out = {pipeline.features.key, pipeline.features.event_time}
    return [name for name in rows.columns if name not in left_out and not name.startswith("_")]


def known_slices(rows: DataFrame, pipeline: Pipeline) -> list[str]:
    """The pipeline's slice columns that the rows have."""
    return [name for name in pipeline.monitor.slices if name in rows.columns]


def without(profile: Profile, name: str) -> Profile:
    """The profile less one column."""
    return Profile({column: states for column, states in profile.columns.items() if column != name}, profile.joint)


def states(
    spark: SparkSession, profiles: Mapping[Slice, Profile], window: Window, log_type: Literal["INPUT", "BASELINE"]
) -> DataFrame:
    """Profiles as rows of table `profiles`, one a slice and column."""
    rows = [
        (window, log_type, key, value, name, json.dumps(stored, separators=(",", ":"), allow_nan=False))
        for (key, value), profile in profiles.items()
        for name, stored in _stored(profile)
    ]
    return spark.createDataFrame(rows, STATES).coalesce(1)


def _stored(profile: Profile) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each row's name and state."""
    for name, column in profile.columns.items():
        yield name, column.to_dict()
    if profile.joint is not None:
        yield JOINT, profile.joint.to_dict()


def read(rows: Iterable[Any]) -> dict[Slice, Profile]:
    """The profiles in collected rows of table `profiles`, by slice; `profile.ALL` is the whole. Rows of several windows
    add up. Raises ValueError where those were profiled over different edges or categories."""
    columns: dict[Slice, dict[str, ColumnProfile]] = {}
    joints: dict[Slice, Joint] = {}
    for row in rows:
        key = (row["slice_key"], row["slice_value"])
        found = columns.setdefault(key, {})
        if row["column_name"] == JOINT:
            joint = Joint.from_dict(json.loads(row["state"]))
            joints[key] = joints[key] + joint if key in joints else joint
            continue
        column = ColumnProfile.from_dict(json.loads(row["state"]))
        name = row["column_name"]
        found[name] = found[name] + column if name in found else column
    return {key: Profile(found, joints.get(key)) for key, found in columns.items()}


def read_profiles(table: DataFrame, run_id: str) -> dict[Slice, Profile]:
    """What one run wrote to table `profiles`, as `read` gives it; empty where it wrote nothing."""
    from pyspark.sql import functions as F

    mine = table.where(F.col("_run_id") == run_id)
    return read(mine.select("slice_key", "slice_value", "column_name", "state").collect())


def _clock() -> dict[str, Any]:
    """The states of a column that only its extremes are wanted of."""
    started = ColumnProfile.start(Column("double", "numeric"))
    return {name: state for name, state in started.states.items() if name in ("counts", "extremes")}


def _window(whole: Profile) -> Window:
    times = whole.columns[_TIME].need(Extremes) if _TIME in whole.columns else Extremes()
    if times.low is None or times.high is None:
        return None, None
    return datetime.fromtimestamp(times.low, timezone.utc), datetime.fromtimestamp(times.high, timezone.utc)
