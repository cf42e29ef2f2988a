"""Answers for an auditor: is the ledger as it was written, where does a prediction come from, what did a file touch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta, timezone
from typing import Any

from perdure.core import chain
from perdure.core.errors import UsageError
from perdure.core.identifiers import quoted
from perdure.core.protocols import Read
from perdure.core.record import JSON, RunRecord
from perdure.io.ledger import HEAD

from .context import Context
from .lineage import Lineage

# What an append-only table's history consists of.
_HARMLESS = re.compile(r"^(CREATE TABLE.*|WRITE|OPTIMIZE|VACUUM.*|SET TBLPROPERTIES|ADD COLUMNS|UPGRADE PROTOCOL|"
                       r"CHANGE COLUMNS?|COMPUTE STATS|REORG|.*CLUSTER.*)$")  # fmt: skip
# Delta's counts of what a commit took away, by operation.
_TAKEN = ("numRemovedFiles", "numTargetFilesRemoved")
_SHOWN_DATA = ("rows_in", "good", "quarantined", "duplicates")


def verify(context: Context, anchors: Sequence[str] = ()) -> dict[str, JSON]:
    """Whether the ledger is as it was written: the chain over its records, and its table's own history.

    `intact`, counts, `heads` (keep them elsewhere), `problems` (first record first) and `rewritten`: commits that did
    something else than append."""
    history = context.tables.history("runs") if context.tables.exists("runs") else []
    rows = context.ledger.stored()  # later than the history: what that notes is there, whoever writes meanwhile
    start = f"{HEAD}{context.pipeline.pipeline} "
    notes = [str(commit["userMetadata"] or "") for commit in history]
    noted = [note.removeprefix(start) for note in notes if note.startswith(start)]
    found = chain.verify(rows, anchors=[*reversed(noted), *anchors])
    rewritten = [
        {"version": int(commit["version"]), "at": str(commit["timestamp"]), "operation": commit["operation"],
         "by": commit["userName"], "what": dict(commit["operationParameters"] or {})}
        for commit in reversed(history) if _rewrote(commit)
    ]  # fmt: skip
    return {**asdict(found), "intact": not found.problems and not rewritten, "rewritten": rewritten,
            "unchained": found.unchained, "table": context.tables.where("runs")}  # fmt: skip


def _rewrote(commit: Any) -> bool:
    mode = (commit["operationParameters"] or {}).get("mode", "Append")
    return not _HARMLESS.match(commit["operation"]) or (commit["operation"] == "WRITE" and mode != "Append")


def prediction(context: Context, key: str, interval: str | None = None) -> list[dict[str, JSON]]:
    """Everything behind each stored prediction of a key, oldest first. Raises UsageError when there is none."""
    from pyspark.sql import functions as F

    features = context.pipeline.features
    rows = context.tables.read(Read("predictions")).where(F.col(quoted(features.key)).cast("string") == key)
    if interval is not None:
        rows = rows.where(F.col("_interval") == interval)
    found = rows.orderBy("_interval").collect()  # one key's rows: an auditor asks for a handful
    if not found:
        when = f" in {interval}" if interval else ""
        raise UsageError(f"there is no prediction with {features.key} = '{key}'{when}")
    lineage = Lineage(context.ledger.records)
    return [_behind(context, lineage, row.asDict()) for row in found]


def _behind(context: Context, lineage: Lineage, row: Mapping[str, Any]) -> dict[str, JSON]:
    scored = context.ledger.get(row["_run_id"])
    version = str(row["model_version"])
    shown = {name: value for name, value in row.items() if not name.startswith("_")}
    return {
        "prediction": {**shown, "interval": row["_interval"]},
        "scoring": _run(scored) if scored else None,
        "data": data(lineage, scored) if scored else None,
        "model": model(lineage, version, scored.interval_start if scored else "9999"),
    }


def model(lineage: Lineage, version: str, moment: str = "9999") -> dict[str, JSON]:
    """Everything behind a model version: its training, the data, its gate and the decision."""
    trained, judged = lineage.training(version), lineage.evaluation(version)
    deployed = lineage.deployment(version, moment) or lineage.deployment(version)
    found: dict[str, JSON] = {"version": version, "training": None, "evaluation": None, "decision": None, "data": None}
    if trained:
        wanted = ("family", "params", "rows", "since", "until", "holdout", "columns", "tracking_run",
                  "prepared")
        facts = {name: trained.facts.get(name) for name in wanted}
        found["training"] = {**_run(trained), **facts, "seed": trained.seed}
        brought = trained.facts.get("imported")
        found["imported"] = {name: value for name, value in brought.items() if name != "data"} if brought else None
        found["data"] = brought["data"] if brought else data(lineage, trained)
    if judged:
        found["evaluation"] = evaluation(judged)
    if deployed:
        told = ("decision", "reason", "effective_from", "previous_version", "blessing", "approval")
        found["decision"] = {**_run(deployed), **{name: deployed.facts.get(name) for name in told}}
    answered = lineage.answer(version)
    found["approval"] = {**_run(answered), **answered.facts["approval"]} if answered else None
    return found


def data(lineage: Lineage, record: RunRecord) -> dict[str, JSON]:
    """What a run read: its tables at their versions, and behind them the sources, files and expectations."""
    behind = lineage.behind(record).values()
    sources: dict[str, dict[str, JSON]] = {}
    for each in behind:
        if each.step not in ("ingest", "validate"):
            continue
        source = sources.setdefault(each.subject, {"files": [], "intervals": [], "expectations": {}, "runs": []})
        source["runs"].append(each.run_id)
        source["files"] += [asdict(file) for file in each.files]
        if each.step == "validate":
            source["intervals"].append(each.interval)
            for name in _SHOWN_DATA:
                source[name] = source.get(name, 0) + int(each.facts.get(name) or 0)
            for line in each.gate.lines if each.gate else ():
                rule = source["expectations"].setdefault(line.rule, {"must_be": line.bound, "passed": 0, "failed": 0})
                rule["passed" if line.passed else "failed"] += 1
    features = [each for each in behind if each.step == "featurize"]
    return {
        "tables": [asdict(table) for table in record.inputs],
        "features": [each.run_id for each in features],
        "features_code": sorted({each.code_version for each in features}),
        "sources": {name: sources[name] for name in sorted(sources)},
    }


def file(context: Context, text: str) -> dict[str, JSON]:
    """What a source file touched: the model versions that learnt from its rows, and the predictions whose rows were
    made with it (by interval) or that such a model made."""
    lineage = Lineage(context.ledger.records)
    reading = lineage.reading(text)
    ids = {record.run_id for records in reading.values() for record in records}
    models = []
    for trained in lineage.trainings():
        if ids & set(lineage.behind(trained)):
            version = str(trained.facts["model_version"])
            decision = lineage.deployment(version)
            models.append({"version": version, "interval": trained.interval, "run": trained.run_id,
                           "decision": decision.facts.get("decision") if decision else None})  # fmt: skip
    versions = {each["version"] for each in models}
    predictions = []
    for scored in lineage.scorings():
        own = bool(ids & set(lineage.behind(scored)))
        by_model = str(scored.facts.get("model_version")) in versions
        if own or by_model:
            rows = sum(output.rows or 0 for output in scored.outputs if output.table == "predictions")
            predictions.append({"interval": scored.interval, "model_version": scored.facts.get("model_version"),
                                "rows": rows, "by_its_rows": own, "by_its_model": by_model,
                                "run": scored.run_id})  # fmt: skip
    first = next(iter(reading.values()))
    intervals = sorted({record.interval for records in reading.values() for record in records})
    return {"files": sorted(reading), "source": first[0].subject, "intervals": intervals,
            "read_by": sorted(ids), "models": models, "predictions": predictions}  # fmt: skip


def vacuum(context: Context, hours: float) -> dict[str, JSON]:
    """Which model versions a VACUUM that keeps `hours` hours would leave without their training data.

    A table's version is lost when a later commit, older than that, took files away that it needs: by what Delta's
    history says of each commit. `lost`: versions with the tables that they need; `kept`: the others."""
    lineage = Lineage(context.ledger.records)
    horizon = datetime.now(timezone.utc) - timedelta(hours=hours)
    needed = [(str(each.facts["model_version"]), each) for each in lineage.trainings() if each.step == "train"]
    tables = sorted({table.table for _, each in needed for table in each.inputs})
    removed = {table: _removals(context, table, horizon) for table in tables}
    lost: list[dict[str, JSON]] = []
    kept: list[str] = []
    for version, trained in needed:
        gone = [{"table": table.table, "version": table.version, "since": commits[0]} for table in trained.inputs
                if (commits := [each for each in removed[table.table] if each["version"] > table.version])]  # fmt: skip
        if gone:
            lost.append({"version": version, "interval": trained.interval, "tables": gone})
        else:
            kept.append(version)
    return {"hours": hours, "lost": lost, "kept": kept}


def _removals(context: Context, table: str, horizon: datetime) -> list[dict[str, JSON]]:
    """Commits before `horizon` that took files away, oldest first."""
    found = []
    for commit in reversed(context.tables.history(table)):
        at = commit["timestamp"].astimezone(timezone.utc)
        metrics = commit["operationMetrics"] or {}
        counts = [int(metrics[name]) for name in _TAKEN if metrics.get(name) is not None]
        overwrote = (commit["operationParameters"] or {}).get("mode") == "Overwrite"
        if at < horizon and (sum(counts) > 0 if counts else overwrote):
            found.append({"version": int(commit["version"]), "at": str(at), "operation": commit["operation"]})
    return found


def _run(record: RunRecord) -> dict[str, JSON]:
    """What names a run, and how it ran."""
    return {"run": record.run_id, "step": record.step, "interval": record.interval, "status": record.status,
            "started_at": record.started_at, "who": record.who, "target": record.target,
            "code": record.code_version, "configuration": record.config_fingerprint,
            "environment": dict(record.environment), "hash": record.link.hash if record.link else None}  # fmt: skip


def evaluation(record: RunRecord) -> dict[str, JSON]:
    """An evaluation's run, its held-out rows and gate lines."""
    lines = record.gate.lines if record.gate else ()
    return {**_run(record), "rows": record.facts.get("rows"), "passed": record.status == "done",
            "gate": [asdict(line) for line in lines]}  # fmt: skip
