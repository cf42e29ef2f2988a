"""Fills the report's data from the ledger and the small monitoring tables, and writes the file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perdure.core import registry
from perdure.core.conditions import Drift as DriftCondition
from perdure.core.conditions import Realised, parts
from perdure.core.interval import Interval
from perdure.core.protocols import Read
from perdure.core.record import RunRecord
from perdure.drift.attributions import LOW
from perdure.report import data as r

from . import summary
from .champion import SERVING, champion_at, changes, standing
from .context import Context
from .engine import command

if TYPE_CHECKING:
    from pyspark.sql import Row

_NEWEST = datetime.max.replace(tzinfo=timezone.utc)
_METRICS = {"percent_null": "nulls", "avg": "mean", "min": "minimum", "max": "maximum"}


def after_run(context: Context, *, changed: bool) -> None:
    """What a run says at its end: the table of intervals, and where to look."""
    file = default_file(context)
    if changed or not file.exists():
        file = write_report(context, "html", None)
    summary.show(context)
    context.progress.say("")
    context.progress.say(f"report    {file}")
    context.progress.say(f"models    {_mlflow_command(context)}")
    context.progress.say(f"tables    {context.tables.where('<table>')}: predictions, drift_metrics, runs, ...")
    context.progress.say(f"history   {command(context, 'history', None)}")


def _mlflow_command(context: Context) -> str:
    uri = context.tracking.uri
    return f".perdure/venv/bin/mlflow ui --backend-store-uri {uri}" if "://" in uri and "http" not in uri[:5] else uri


def default_file(context: Context) -> Path:
    """`report.html` beside the tables where these are on a local disk; else one here."""
    storage = context.pipeline.place.storage
    if storage is None or "://" in storage:
        return Path(f"{context.pipeline.pipeline}-report.html").absolute()
    return context.pipeline.path(storage) / "report.html"


def write_report(context: Context, kind: str, output: Path | None) -> Path:
    """Writes the report as html, markdown or json; gives the file."""
    from perdure.report import render

    make = {"html": render.render, "markdown": render.to_markdown, "json": render.to_json}[kind]
    suffix = {"html": ".html", "markdown": ".md", "json": ".json"}[kind]
    file = output or default_file(context).with_suffix(suffix)
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.part")
    partial.write_text(make(gather(context)), encoding="utf-8")
    partial.replace(file)
    return file


def gather(context: Context) -> r.ReportData:
    """All that the report tells."""
    records = standing(context.ledger.records)
    return r.ReportData(
        pipeline=_facts(context),
        generated_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        runs=tuple(records),
        champions=tuple(_champions(context)),
        performance=tuple(_performance(context)),
        drift=tuple(_drift(context)),
        profiles=tuple(_profiles(context)),
        unusual=tuple(_unusual(records)),
        told=tuple(_told(records)),
        together=tuple(_together(records)),
        distributions=tuple(_distributions(context)),
        importance=tuple(_importance(context)),
        trials=tuple(_trials(records)),
        comparisons=tuple(_comparisons(records)),
        decisions=tuple(_decisions(records)),
    )


def _facts(context: Context) -> r.PipelineFacts:
    pipeline = context.pipeline
    conditions = [condition for _, condition in parts(pipeline.retrain.when)]
    drift = next((c for c in conditions if isinstance(c, DriftCondition)), None)
    realised = next((c for c in conditions if isinstance(c, Realised)), None)
    optional: dict[str, Any] = {}
    if drift is not None:
        optional["drift_statistic"] = drift.drift
        if drift.above is not None:
            optional["drift_bound"] = drift.above
    if realised is not None:
        optional |= {"tolerance": realised.worse_by}
    return r.PipelineFacts(
        name=pipeline.pipeline,
        description=pipeline.description,
        target=pipeline.target,
        interval=str(pipeline.interval),
        task=pipeline.model.task,
        label=pipeline.label.column,
        metric=pipeline.metric,
        sources=tuple(pipeline.sources),
        thresholds=pipeline.gate.thresholds,
        commands=(
            ("Run what is due", command(context, "run", None)),
            ("List the runs behind these numbers", command(context, "history", None)),
            ("Train a version again and compare", f"{command(context, 'reproduce', None)} VERSION"),
        ),
        **optional,
    )


def _rows(context: Context, table: str) -> list[Row]:
    """All rows of a small monitoring table, from the newest run of each subject and interval."""
    if not context.tables.exists(table):
        return []
    from pyspark.sql import functions as F

    runs = sorted({record.run_id for record in context.ledger.producers(Read(table))})
    return context.tables.read(Read(table)).where(F.col("_run_id").isin(runs)).collect()


def _label(context: Context, start: datetime) -> str:
    return Interval.containing(start.replace(tzinfo=timezone.utc), context.pipeline.interval).label


def _slice(row: Row) -> r.Slice:
    return None if row["slice_key"] is None else (row["slice_key"], row["slice_value"])


def _champions(context: Context) -> Iterator[r.Champion]:
    for since, record in changes(context.ledger):
        if record.facts.get("decision") in SERVING:
            yield r.Champion(str(record.facts["model_version"]), _label(context, since), record.started_at)


def _performance(context: Context) -> Iterator[r.Performance]:
    for row in _rows(context, "performance"):
        yield r.Performance(
            interval=_label(context, row["window"]["start"]),
            metric=row["metric"],
            kind=row["kind"],
            value=row["value"],
            model_version=row["model_version"],
            slice=_slice(row),
            low=row["low"],
            high=row["high"],
            rows=row["rows"],
            coverage=row["label_coverage"],
            known_at=row["known_at"].isoformat(),
        )


def _drift(context: Context) -> Iterator[r.Drift]:
    statistics = registry.names("perdure.drift")
    for row in _rows(context, "drift_metrics"):
        if row["drift_type"] == "BASELINE":
            values = {name: _statistic(row[name]) for name in statistics if name in row}
            yield r.Drift(_label(context, row["window"]["start"]), row["column_name"], values, _slice(row))


def _statistic(value: Any) -> float | None:
    """A statistic's number; tests with a p-value are stored as {statistic, pvalue}."""
    number: float | None = value["statistic"] if hasattr(value, "asDict") else value
    return number


def _profiles(context: Context) -> Iterator[r.Profile]:
    for row in _rows(context, "profile_metrics"):
        if _slice(row) is None and row["log_type"] == "INPUT":
            yield r.Profile(
                interval=_label(context, row["window"]["start"]),
                column=row["column_name"],
                count=row["count"],
                nulls=row["num_nulls"] or 0,
                mean=row["avg"],
                minimum=row["min"],
                maximum=row["max"],
                distinct=row["distinct_count"],
            )


def _distributions(context: Context) -> Iterator[r.Distribution]:
    from perdure.steps.monitor import bins_of, read_profiles

    champion = champion_at(context.ledger, _NEWEST)
    latest = context.ledger.latest("monitor")
    if champion is None or latest is None:
        return
    served = champion_at(context.ledger, datetime.fromisoformat(latest.interval_start))
    states = context.tables.read(Read("profiles"))
    reference = read_profiles(states, (served or champion).train.run_id).get((None, None))
    current = read_profiles(states, latest.run_id).get((None, None))
    if reference is None or current is None:
        return
    for column, bins, before, now in bins_of(reference, current):
        named: Any = tuple(bins)
        yield r.Distribution(column, latest.interval, named, tuple(before), tuple(now))


def _told(records: list[RunRecord]) -> Iterator[r.Told]:
    """Of the last interval that was monitored."""
    last = max((record for record in records if record.step == "monitor"), key=lambda one: one.interval_start,
               default=None)
    for one in (last.facts.get("told") or ()) if last else ():
        slices = tuple(r.ToldSlice(**{**part, "bin": r.ToldBin(**part["bin"]) if part["bin"] else None})
                       for part in one["slices"])
        yield r.Told(last.interval if last else "", **{**one, "bins": tuple(r.ToldBin(**each) for each in one["bins"]),
                                                       "slices": slices})


def _together(records: list[RunRecord]) -> Iterator[r.Together]:
    newest = {record.interval: record.facts for record in records if record.step == "monitor"}
    for interval, facts in newest.items():
        if found := facts.get("multivariate"):
            columns = tuple(found["columns"].items())
            yield r.Together(interval, found["error"], found["low"], found["high"], found["drifted"], columns)
        found = facts.get("domain") or {}
        if "area" in found:
            columns = tuple(found["columns"].items())
            yield r.Together(interval, found["area"], 0.5, found["high"], found["drifted"], columns, "domain")
        found = facts.get("attributions") or {}
        if found.get("gain") is not None:
            columns = tuple((name, abs(now - then)) for name, (then, now) in found["columns"].items())
            yield r.Together(interval, found["gain"], LOW, 1.0, found["drifted"], columns, "attributions")


def _unusual(records: list[RunRecord]) -> Iterator[r.Unusual]:
    newest = {(record.step, record.subject, record.interval): record for record in records
              if record.step in ("validate", "monitor")}
    for record in newest.values():
        for one in record.facts.get("unusual") or ():
            named = {name: one[name] for name in ("column", "measure", "value", "low", "high")}
            yield r.Unusual(record.interval, record.subject, **named)


def _importance(context: Context) -> Iterator[r.Importance]:
    champion = champion_at(context.ledger, _NEWEST)
    if champion is not None:
        for column, share in champion.weights.items():
            yield r.Importance(column, share)


def _trials(records: list[RunRecord]) -> Iterator[r.Trial]:
    for record in records:
        if record.step == "train":
            for trial in record.facts.get("trials") or ():
                yield r.Trial(
                    interval=record.interval,
                    number=trial["number"],
                    family=trial["family"],
                    params=trial["params"],
                    loss=trial.get("loss"),
                    seconds=trial.get("seconds"),
                    chosen=trial["number"] == record.facts["trial"],
                    stopped=trial.get("status") == "stopped",
                )


def _comparisons(records: list[RunRecord]) -> Iterator[r.Comparison]:
    versions = {record.run_id: str(record.facts.get("model_version")) for record in records if record.step == "train"}
    deployed = {record.facts.get("evaluate_run"): record for record in records if record.step == "deploy"}
    for record in records:
        deploy = deployed.get(record.run_id)
        if record.step != "evaluate" or deploy is None or record.gate is None:
            continue
        before = deploy.facts.get("previous_version")
        theirs = record.facts.get("champion") or {}
        metrics = {
            name: (found["value"], (theirs.get(name) or {}).get("value"))
            for name, found in (record.facts.get("candidate") or {}).items()
        }
        version = versions.get(str(deploy.facts["train_run"]), str(deploy.facts["model_version"]))
        yield r.Comparison(record.interval, version, before, metrics, record.gate)


def _decisions(records: list[RunRecord]) -> Iterator[r.Decision]:
    for record in records:
        if record.step in ("retrain", "deploy", "rollout") and "decision" in record.facts:
            yield r.Decision(
                interval=record.interval,
                kind=record.step,
                decision=record.facts["decision"],
                reason=record.facts["reason"],
                evidence=_mapping(record.facts.get("evidence")),
                model_version=str(record.facts.get("model_version") or ""),
                decided_at=record.started_at,
            )


def _mapping(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        value = json.loads(value)
    return value if isinstance(value, dict) else {"lines": value} if value else {}
