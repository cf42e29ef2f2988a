"""Monitoring: an interval's profiles, and how they differ from the champion's reference and from the interval
before."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from perdure.core.errors import PerdureError
from perdure.core.identifiers import quoted
from perdure.core.protocols import StepResult, Write
from perdure.drift import multivariate
from perdure.drift.bins import bins_of
from perdure.drift.calm import Swings, thresholds
from perdure.drift.compare import ColumnDrift, compare, figures, members
from perdure.drift.told import tell
from perdure.evaluation import domain
from perdure.profile.categories import Categories
from perdure.profile.counts import Counts
from perdure.profile.distinct import Distinct
from perdure.profile.extremes import Extremes
from perdure.profile.histogram import Histogram
from perdure.profile.lengths import Lengths
from perdure.profile.moments import Moments
from perdure.profile.profile import ALL, Column, ColumnProfile, Profile, Slice
from perdure.quality.unusual import measures

from .reference import OUTPUTS, kinds_of, known_slices, profiled_columns, read, read_profiles, states, without

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from perdure.core.config import Pipeline
    from perdure.core.interval import Interval
    from perdure.profile.files import Stored

__all__ = ["bins_of", "monitor", "read", "read_profiles"]

Profiles = Mapping[Slice, Profile]
TABLE = ":table"  # the name that Databricks gives to the row about the table as a whole
_VERSION = "__model_version"
_WINDOW = "struct<start: timestamp, end: timestamp>"
_TEST = "struct<statistic: double, pvalue: double>"
_WORST = 5
_FREQUENT = 10

PROFILE_METRICS = (
    f"window {_WINDOW}, log_type string, logging_table_commit_version int, monitor_version bigint, granularity string, "
    "model_id string, slice_key string, slice_value string, column_name string, data_type string, count bigint, "
    "num_nulls bigint, num_zeros bigint, num_nan bigint, avg double, min double, max double, stddev double, "
    "median double, quantiles array<double>, min_length double, max_length double, avg_length double, "
    "distinct_count bigint, percent_null double, percent_zeros double, percent_nan double, percent_distinct double, "
    "frequent_items array<struct<item: string, count: bigint>>, non_null_columns array<string>"
)
_DELTAS = ("count", "avg", "percent_null", "percent_zeros", "percent_distinct")


@dataclass(frozen=True)
class _Frame:
    """What every row of the interval's metrics starts with."""

    window: tuple[Any, Any]
    granularity: str
    model: str


def monitor(  # noqa: PLR0913 (three tables and two baselines are one question)
    features: DataFrame,
    predictions: DataFrame,
    labels: DataFrame | None = None,
    *,
    reference: Profiles,
    previous: Profiles | None = None,
    swings: Mapping[str, Any] | None = None,
    stored: Stored | None = None,
    weights: Mapping[str, float] | None = None,
    known_errors: Sequence[float] = (),
    sample: DataFrame | None = None,
    known_areas: Sequence[float] = (),
    pipeline: Pipeline,
    interval: Interval,
) -> StepResult:
    """Profiles of the interval's features, prediction, probability and label, whole and by slice, read in one scan (or,
    where `stored` says which table the features are, those from its own files and the others beside them); their
    metrics; their drift from `reference` and, where given, from `previous` (what `read_profiles` gives).

    Predictions are the champion's. Facts: `rows`, `model_version`, `label_coverage`, `null_shares` of columns with
    nulls, `drift` and `drift_outputs` (column -> statistic -> value), `drift_thresholds` (the same keys), `drifted`
    (features above a threshold, with the statistics), `new_categories` (column -> share of rows whose category the
    reference never saw), `measures` (as `quality.unusual` takes them), `told` (`drift.told`: the worst features by
    drift times their entry in `weights`, with slices and bins), `multivariate` (`drift.multivariate.facts`, where the
    reference says how its columns go together; `known_errors`: those of its own intervals), `domain` (where `sample`
    gives the reference's rows for `evaluation.domain`; `known_areas` likewise), `worst` (by population stability
    index), and columns that could not be compared. Thresholds come from `swings`, the fact of that name of
    the champion's training, unless `monitor.thresholds` fixes them.
    """
    if ALL not in reference:
        raise PerdureError(
            "monitoring compares with the champion's training reference, and its training run stored none in table "
            "'profiles'; train again, with --rerun if the ledger already holds that training"
        )
    rows = _joined(features, predictions, labels, pipeline)
    zero, unfit = _comparable(rows, reference[ALL], pipeline)
    found = _scan(rows, zero, known_slices(rows, pipeline), stored)
    version = _version(found)
    profiles = {key: without(profile, _VERSION) for key, profile in found.items()}
    frame = _Frame((interval.start, interval.end), str(pipeline.interval), version)
    against = _compared(reference, profiles)
    before = _compared(previous, profiles) if previous and ALL in previous else {}
    earlier = (interval.previous.start, interval.previous.end)
    drift_rows = [
        *_drift_rows(frame, against, reference, profiles, ("BASELINE", None)),
        *_drift_rows(frame, before, previous or {}, profiles, ("CONSECUTIVE", earlier)),
    ]
    spark = features.sparkSession
    told_apart = {} if sample is None else domain.facts(
        sample, features, pipeline.features.key, kinds_of(zero), pipeline.model.seed,
        known=known_areas, false_alarms=pipeline.monitor.false_alarms)
    metric_rows = [row for key, profile in profiles.items() for row in _metric_rows(frame, key, profile)]
    return StepResult(
        writes=(
            Write("profiles", states(spark, profiles, frame.window, "INPUT"), "append"),
            Write("profile_metrics", spark.createDataFrame(metric_rows, PROFILE_METRICS).coalesce(1)),
            Write("drift_metrics", spark.createDataFrame(drift_rows, drift_metrics()).coalesce(1)),
        ),
        facts={
            **_facts(profiles[ALL], against[ALL], _bounds(profiles[ALL], swings, pipeline)),
            "new_categories": _new_categories(reference[ALL], profiles[ALL]),
            "told": [
                one.to_dict()
                for one in tell(against, reference, profiles, weights or {}, columns=set(zero.columns) - set(OUTPUTS))
            ],
            "measures": [one.to_list() for one in measures(_known(reference, previous), profiles[ALL])],
            **_together(reference[ALL], profiles[ALL], known_errors, pipeline),
            **told_apart,
            "model_version": version,
            "slices": len(profiles) - 1,
            **unfit,
        },
    )


def drift_metrics() -> str:
    """The columns of table `drift_metrics`: those of Databricks, then one for each further registered statistic."""
    statistics = ", ".join(
        f"{name} {_TEST if hasattr(module, 'pvalue') else 'double'}" for name, module in members().items()
    )
    deltas = ", ".join(f"{name}_delta double" for name in _DELTAS)
    return (
        f"window {_WINDOW}, granularity string, monitor_version bigint, model_id string, slice_key string, "
        f"slice_value string, column_name string, data_type string, window_cmp {_WINDOW}, drift_type string, {deltas}, "
        f"non_null_columns_delta struct<added: int, missing: int>, {statistics}, reconstruction_error double"
    )


def _joined(features: DataFrame, predictions: DataFrame, labels: DataFrame | None, pipeline: Pipeline) -> DataFrame:
    """The interval's feature rows with what was predicted for them and what came true; the key and the event time name
    a row, where a table has both."""
    from pyspark.sql import functions as F

    names = (pipeline.features.key, pipeline.features.event_time)
    rows = features.select(*[name for name in features.columns if not name.startswith("_")])
    if "role" in predictions.columns:
        predictions = predictions.where(F.col("role") == "champion")
    for more, wanted in ((predictions, ("prediction", "probability", "model_version")), (labels, ("label",))):
        if more is not None:
            on = [name for name in names if name in more.columns]
            kept = [
                F.col(name).alias(_VERSION if name == "model_version" else name)
                for name in wanted
                if name in more.columns
            ]
            rows = rows.join(more.select(*on, *kept), on, "left")
    return rows


def _comparable(rows: DataFrame, reference: Profile, pipeline: Pipeline) -> tuple[Profile, dict[str, list[str]]]:
    """The empty profile to fill, and the columns that can't be compared: gone, new, or of another kind now."""
    from perdure.profile.scan import kinds

    known = kinds(rows, profiled_columns(rows, pipeline))
    expected = {name: column.kind for name, column in reference.columns.items()}
    alike = [name for name, kind in expected.items() if name in known and known[name][1] == kind]
    unfit = {
        "columns_missing": sorted(name for name in expected if name not in known and name not in OUTPUTS),
        "columns_new": sorted(name for name in known if name not in expected),
        "columns_changed": sorted(name for name in expected if name in known and name not in alike),
    }
    return reference.only(alike).zero(), {name: columns for name, columns in unfit.items() if columns}


def _scan(rows: DataFrame, zero: Profile, slices: Sequence[str], stored: Stored | None) -> dict[Slice, Profile]:
    """The profiles of joined rows. With `stored` only the slices and what is no feature are joined."""
    from perdure.profile.files import scan_table
    from perdure.profile.scan import scan

    if _VERSION in rows.columns:
        version = ColumnProfile.start(Column("string", "categorical"))
        zero = Profile({**zero.columns, _VERSION: version}, zero.joint)
    if stored is None:
        return scan(rows, zero, slices)
    added = [name for name in zero.columns if name in (*OUTPUTS, _VERSION)]
    own = zero.only(name for name in zero.columns if name not in added)
    features = scan_table(stored.table, stored.name, own, slices, stored.within)
    found = scan(rows.select(*map(quoted, slices), *added), zero.only(added), slices, many=True)
    return {key: Profile({**one.columns, **found[key].columns}, one.joint) for key, one in features.items()}


def _together(reference: Profile, whole: Profile, known: Sequence[float], pipeline: Pipeline) -> dict[str, Any]:
    if reference.joint is None or whole.joint is None:
        return {}
    found = multivariate.facts(reference.joint, whole.joint, known, pipeline.monitor.false_alarms)
    return {"multivariate": found} if found else {}


def _known(*profiles: Profiles | None) -> list[Profile]:
    """Whole profiles whose categories aren't new."""
    return [each[ALL] for each in profiles if each and ALL in each]


def _version(found: Profiles) -> str:
    """The version that predicted, or `*` (Databricks' word for all of them) where there are several or none."""
    column = found[ALL].columns.get(_VERSION)
    names = list(column.need(Categories).counts) if column else []
    return names[0] if len(names) == 1 else "*"


def _compared(reference: Profiles, profiles: Profiles) -> dict[Slice, list[ColumnDrift]]:
    return {key: compare(reference[key], profile) for key, profile in profiles.items() if key in reference}


def _metric_rows(frame: _Frame, key: Slice, profile: Profile) -> Iterable[tuple[Any, ...]]:
    names = [part.split(" ")[0] for part in _fields(PROFILE_METRICS)]
    common = {
        "window": frame.window,
        "log_type": "INPUT",
        "monitor_version": 0,
        "granularity": frame.granularity,
        "model_id": frame.model,
        "slice_key": key[0],
        "slice_value": key[1],
    }
    filled = [name for name, column in profile.columns.items() if figures(column)["count"]]
    yield _row(names, {**common, "column_name": TABLE, "count": profile.rows, "non_null_columns": filled})
    for name, column in profile.columns.items():
        yield _row(names, {**common, "column_name": name, "data_type": column.data_type, **_measured(column)})


def _measured(column: ColumnProfile) -> dict[str, Any]:
    """A column's figures by the names of Databricks' table; shares are per cent."""
    counts, distinct = column.need(Counts), column.get(Distinct)
    found: dict[str, Any] = {**figures(column), "num_nulls": counts.nulls}
    if distinct:
        found["distinct_count"] = min(distinct.estimate, counts.rows - counts.nulls)
    moments, extremes, histogram = column.get(Moments), column.get(Extremes), column.get(Histogram)
    if moments and extremes:
        found |= {
            "num_zeros": counts.zeros,
            "num_nan": counts.nans,
            "stddev": moments.deviation,
            "min": extremes.low,
            "max": extremes.high,
        }
        if histogram and extremes.low is not None and extremes.high is not None:
            found["median"] = histogram.quantile(0.5, extremes.low, extremes.high)
    if lengths := column.get(Lengths):
        found |= {"min_length": lengths.shortest, "max_length": lengths.longest, "avg_length": lengths.mean}
        found |= {name: float(found[name]) for name in ("min_length", "max_length") if found[name] is not None}
    if categories := column.get(Categories):
        found["frequent_items"] = categories.frequent(_FREQUENT)
    return found


def _drift_rows(
    frame: _Frame, drifts: Mapping[Slice, list[ColumnDrift]], before: Profiles, now: Profiles, kind: tuple[str, Any]
) -> Iterable[tuple[Any, ...]]:
    names = [part.split(" ")[0] for part in _fields(drift_metrics())]
    for key, columns in drifts.items():
        common = {
            "window": frame.window,
            "granularity": frame.granularity,
            "monitor_version": 0,
            "model_id": frame.model,
            "slice_key": key[0],
            "slice_value": key[1],
            "drift_type": kind[0],
            "window_cmp": kind[1],
        }
        changed = tuple(len(part) for part in _filled(before[key], now[key]))
        yield _row(
            names,
            {
                **common,
                "column_name": TABLE,
                "non_null_columns_delta": changed,
                "count_delta": float(now[key].rows - before[key].rows),
                "reconstruction_error": _error(before[key], now[key]),
            },
        )
        for drift in columns:
            statistics = {
                name: (value, drift.pvalues[name]) if name in drift.pvalues and value is not None else value
                for name, value in drift.statistics.items()
            }
            deltas = {f"{name}_delta": None if value is None else float(value) for name, value in drift.deltas.items()}
            yield _row(
                names, {**common, "column_name": drift.column, "data_type": drift.data_type, **deltas, **statistics}
            )


def _error(before: Profile, now: Profile) -> float | None:
    """How badly the components of `before` rebuild the rows of `now`, where both know how their columns go together."""
    if before.joint is None or now.joint is None or before.joint.codes != now.joint.codes:
        return None
    found = multivariate.reconstruct(before.joint, now.joint)
    return found.error if found else None


def _filled(before: Profile, now: Profile) -> tuple[set[str], set[str]]:
    """The columns that have values only now, and those that had them only before."""
    ours, theirs = (
        {name for name, column in profile.columns.items() if figures(column)["count"]} for profile in (before, now)
    )
    return theirs - ours, ours - theirs


def _row(names: Sequence[str], values: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(values.get(name) for name in names)


def _fields(schema: str) -> list[str]:
    """The top-level fields of a schema text."""
    found, depth, start = [], 0, 0
    for position, letter in enumerate(schema + ","):
        depth += {"<": 1, ">": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            found.append(schema[start:position].strip())
            start = position + 1
    return found


def _bounds(whole: Profile, found: Mapping[str, Any] | None, pipeline: Pipeline) -> dict[str, dict[str, float]]:
    """Column -> statistic -> threshold, for the features."""
    features = [name for name in whole.columns if name not in OUTPUTS]
    known = Swings.from_dict(found) if found else Swings()
    bounds = thresholds(known, features, whole.rows, pipeline.monitor.false_alarms)
    return {name: {**each, **pipeline.monitor.thresholds} for name, each in bounds.items()}


def _new_categories(reference: Profile, whole: Profile) -> dict[str, float]:
    """The share of rows with a category that the reference never saw, where it is above 0; columns with so many
    categories that the reference doesn't name them all are left out."""
    found = {}
    for name, column in whole.columns.items():
        before = reference.columns[name].get(Categories)
        now = column.get(Categories)
        if before and now and not before.full and whole.rows and name not in OUTPUTS:
            new = now.total - sum(count for key, count in now.counts.items() if key in before.counts)
            if new:
                found[name] = new / whole.rows
    return found


def _facts(whole: Profile, drifts: list[ColumnDrift], bounds: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    counts = {name: column.need(Counts) for name, column in whole.columns.items()}
    label = counts.get("label")
    features = [drift for drift in drifts if drift.column not in OUTPUTS]
    psi = "population_stability_index"
    ranked = sorted(
        (drift for drift in features if drift.statistics.get(psi) is not None),
        key=lambda drift: (-(drift.statistics[psi] or 0), drift.column),
    )
    return {
        "rows": whole.rows,
        "label_coverage": (label.rows - label.nulls) / label.rows if label and label.rows else 0.0,
        "null_shares": {name: count.nulls / count.rows for name, count in counts.items() if count.nulls},
        "drift": {drift.column: dict(drift.statistics) for drift in features},
        "drift_outputs": {drift.column: dict(drift.statistics) for drift in drifts if drift.column in OUTPUTS},
        "drift_thresholds": {name: dict(each) for name, each in bounds.items()},
        "drifted": {drift.column: above for drift in features if (above := _above(drift, bounds[drift.column]))},
        "worst": [
            {"column": drift.column, **{name: drift.statistics.get(name) for name in (psi, "js_distance")}}
            for drift in ranked[:_WORST]
        ],
    }


def _above(drift: ColumnDrift, bounds: Mapping[str, float]) -> list[str]:
    known = {name: value for name, value in drift.statistics.items() if value is not None}
    return [name for name, value in known.items() if value > bounds.get(name, math.inf)]
