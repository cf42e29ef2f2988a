"""The validate step: good rows go on, bad rows go to quarantine with what they failed, and the count closes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pyspark.sql import Window
from pyspark.sql import functions as F

from perdure.core.config import Source
from perdure.core.identifiers import quoted
from perdure.core.interval import Interval
from perdure.core.protocols import StepResult, Write
from perdure.quality.scan import LANDED, either
from perdure.quality.suites import rule_fingerprint
from perdure.quality.unusual import of_source
from perdure.quality.validation import RowRule, Validation
from perdure.quality.validation import validate as judge

from ._rows import FAILURES, as_text, named, own, row_id

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_ORIGIN = ("_file", "_line", "_record")


def validate(
    raw: DataFrame,
    *,
    source: str,
    config: Source,
    suite: Mapping[str, Any] | None,
    interval: Interval,
    run_id: str = "",
) -> StepResult:
    """Judges the interval's raw rows of one source.

    `raw`: declared columns (and those that `schema_changes` let be added, which go along) + `_file`, `_line`,
    `_record`, `_reject`; where rows come back from quarantine also `_id` and `_replay_of` (see `replay.mended`). Writes
    `<source>` (declared columns + `_warnings`, and `_replay_of`) and `<source>_quarantine` (declared columns + `_id`,
    `_file`, `_line`, `_record`, `_failures`, and `_replay_of`; `_record` is the raw text of a row that did not parse,
    else its values as JSON). Facts: rows_in, good, quarantined, duplicates (in = the sum of the others), came_back
    (good rows that had been in quarantine), `measures` (as `quality.unusual` takes them), and `result`, Great
    Expectations' own result as JSON.

    Rows that could not be parsed, that lie outside the interval or lack an event time or a key are quarantined whatever
    the suite says. Of rows with the same key that pass, the one of the greatest `version` stays, else the one that
    landed last (`_landed`, see `late.belonging`), else the least in the order of the declared columns.
    Files that aren't per interval hold other intervals' rows, too: those are left out before anything is counted.
    """
    batch = raw
    if config.event_time and "{interval}" not in config.path:
        time = named(config.event_time)
        batch = raw.filter(F.col("_reject").isNotNull() | time.isNull() | _within(time, interval))
    found = judge(
        batch,
        suite,
        own=_own_rules(config, interval),
        where=_judged_rows(config, interval),
        key=[quoted(name) for name in config.key],
        on_failure=config.on_failure,
    )
    good, bad = _parted(batch, config, found, run_id)
    counts = found.counts
    back = {"came_back": good.where(F.col("_replay_of").isNotNull()).count()} if "_replay_of" in raw.columns else {}
    return StepResult(
        writes=(Write(source, good), Write(f"{source}_quarantine", bad)),
        facts={
            "rows_in": counts.rows,
            "good": counts.good,
            "quarantined": counts.quarantined,
            "duplicates": counts.duplicates,
            **back,
            "measures": [one.to_list() for one in of_source(counts.rows, counts.quarantined, found.result)],
            "result": found.result,
        },
        gate=found.gate,
        committed={source: counts.good, f"{source}_quarantine": counts.quarantined},
    )


def _within(time: Column, interval: Interval) -> Column:
    return (time >= F.lit(interval.start)) & (time < F.lit(interval.end))


def _parsed() -> Column:
    return F.col("_reject").isNull()


def _judged_rows(config: Source, interval: Interval) -> Column:
    """The rows that the suite is asked about: parsed and in the interval."""
    if config.event_time is None:
        return _parsed()
    return _parsed() & F.coalesce(_within(named(config.event_time), interval), F.lit(False))


def _own_rules(config: Source, interval: Interval) -> list[RowRule]:
    """What holds of every source's rows, suite or not."""
    rules = [_own("parse", (), F.col("_reject").isNotNull(), F.col("_reject"))]
    if config.event_time is not None:
        time = named(config.event_time)
        outside = time.isNull() | ~_within(time, interval)
        rules.append(_own("event_time_in_interval", (config.event_time,), _parsed() & outside))
    if config.key:
        missing = F.lit(False)
        for name in config.key:
            missing = missing | named(name).isNull()
        rules.append(_own("key_not_null", config.key, _parsed() & missing))
    return rules


def _own(name: str, columns: tuple[str, ...], condition: Column, value: Column | None = None) -> RowRule:
    rule = rule_fingerprint({"type": name, "kwargs": {"columns": list(columns)}})
    return RowRule(name, columns, "critical", rule, condition, 0, value)


def _parted(batch: DataFrame, config: Source, found: Validation, run_id: str) -> tuple[DataFrame, DataFrame]:
    """Good and quarantined rows. Only rules that were seen to fail are asked again."""
    failing = [rule for rule in found.rules if rule.unexpected]
    warnings = [rule for rule in failing if rule.severity == "warning"]
    added = [name for name in batch.columns if name not in config.columns and not own(name)]
    declared = [named(name) for name in (*config.columns, *added)]
    lineage = [name for name in ("_replay_of",) if name in batch.columns]
    landed = [name for name in (LANDED,) if name in batch.columns]
    identity = F.col("_id") if "_id" in batch.columns else row_id(config.columns)
    marked = batch.select(
        *declared,
        *_ORIGIN,
        *lineage,
        *landed,
        identity.alias("_id"),
        found.refused.alias("__refused"),
        _failures([rule for rule in failing if rule.severity != "info"], run_id).alias("_failures"),
        _failures(warnings, run_id).alias("_warnings"),
    )
    record = F.coalesce(F.col("_record"), as_text(config.columns)).alias("_record")
    bad = marked.filter("__refused").select(*declared, "_id", "_file", "_line", record, "_failures", *lineage)
    if not found.counts.quarantined:
        bad = bad.limit(0)  # known to be empty: the write need not look at the rows again
    good = marked.filter("NOT __refused").select(*declared, "_warnings", *lineage)
    if found.counts.duplicates:
        good = _one_a_key(marked.filter("NOT __refused").select(*good.columns, *landed), config)
    return good, bad


def _failures(rules: Sequence[RowRule], run_id: str) -> Column:
    """An array with one struct for each rule that the row fails; empty when it fails none."""
    if not rules:
        return F.array().cast(FAILURES)
    structs = [F.when(rule.condition, _failure(rule, run_id)) for rule in rules]
    found = F.array_compact(F.array(*structs)).cast(FAILURES)
    # Most rows fail nothing, and for them no array is built and searched.
    return F.when(either([rule.condition for rule in rules]), found).otherwise(F.array().cast(FAILURES))


def _failure(rule: RowRule, run_id: str) -> Column:
    return F.struct(
        F.lit(rule.expectation).alias("expectation"),
        F.lit(", ".join(rule.columns) or None).cast("string").alias("column"),
        _value(rule).cast("string").alias("value"),
        F.lit(rule.severity).alias("severity"),
        F.lit(rule.rule).alias("rule"),
        F.lit(run_id).alias("run"),
    )


def _value(rule: RowRule) -> Column:
    """The row's value as text: of one column as it is, of several as a JSON object."""
    if rule.value is not None:
        return rule.value
    if len(rule.columns) == 1:
        return F.col(rule.columns[0])  # as Great Expectations reads the name: a path into a struct, too
    return F.to_json(F.struct(*rule.columns), {"ignoreNullFields": "false"})


def _one_a_key(rows: DataFrame, config: Source) -> DataFrame:
    """Rows with the same key reduced to the one of the greatest `version`; of several, or without a version, to the one
    that landed last; then to the least in the order of the declared columns, nulls last, so that the same one stays
    whatever the order of files."""
    newest = [named(config.version).desc_nulls_last()] if config.version else []
    newest += [F.col(LANDED).desc()] if LANDED in rows.columns else []
    order = [*newest, *(named(name).asc_nulls_last() for name in config.columns)]
    same = Window.partitionBy(*(named(name) for name in config.key))
    numbered = rows.withColumn("__copy", F.row_number().over(same.orderBy(*order)))
    return numbered.filter("__copy = 1").drop("__copy", LANDED)
