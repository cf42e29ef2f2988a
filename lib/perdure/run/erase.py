"""Deletes a person's rows by key from every table, and says what that doesn't reach: files, old versions, models.

The ledger keeps that it was done, by whom and how many rows, and a hash of the key instead of the key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from perdure.core.errors import UsageError
from perdure.core.identifiers import quoted
from perdure.core.interval import Interval
from perdure.core.protocols import Read, StepResult
from perdure.core.record import JSON

from .context import Context
from .engine import Plan, execute
from .lineage import Lineage
from .terminal import console

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


_STANDING = {
    **dict.fromkeys(("promote", "restore", "pin", "unpin"), "was or is champion"),
    **dict.fromkeys(("challenge", "advance", "hold"), "was or is being rolled out"),
    "rollback": "was rolled back", "refuse": "was refused", "wait": "waits for approval", "reject": "was rejected",
}  # fmt: skip


@dataclass(frozen=True)
class Found:
    """Rows of the key in one table; `at`: their event times, where the table has them."""

    table: str
    rows: int
    files: tuple[str, ...] = ()
    at: tuple[datetime, ...] = ()


def erase(context: Context, key: str, column: str | None, *, apply: bool) -> dict[str, JSON]:
    """What holds rows of a key, and, when `apply` is set, their deletion. Raises UsageError when no table has the
    column, no row the key, or the key is empty."""
    if not key.strip():
        raise UsageError("--key must name whose rows; it is empty")
    column = column or context.pipeline.features.key
    looked, found, without = [], [], []
    for table in _tables(context):
        rows = context.tables.read(Read(table))
        if column not in rows.columns:
            without.append(table)
            continue
        looked.append(table)
        one = _look(context, table, rows, column, key)
        if one.rows:
            found.append(one)
    if not looked:
        raise UsageError(f"no table has a column '{column}'; --column names the one that tells whose rows they are")
    if not found:
        raise UsageError(f"no table has a row with {column} = '{key}'; looked at: {', '.join(looked)}")
    result = {
        "column": column, "applied": apply, "tables": {each.table: each.rows for each in found},
        "without_the_column": without, "files": sorted({file for each in found for file in each.files}),
        "models": _models(context, found), "retention": "VACUUM",
    }  # fmt: skip
    if apply:
        result["run"] = _apply(context, key, column, found, result)
    return result


def _tables(context: Context) -> list[str]:
    """Every table of rows that the pipeline writes; those without rows of its own (states, metrics, records) hold no
    key."""
    names = [name for source in context.pipeline.sources
             for name in (f"raw_{source}", source, f"{source}_quarantine", f"{source}_replayed")]  # fmt: skip
    names += ["features", "labels", "predictions", "reasons", "reference_samples"]
    return [name for name in names if context.tables.exists(name)]


def _mine(rows: DataFrame, column: str, key: str) -> Column:
    """Rows of the key; of those that couldn't be parsed, whose text has it as a word of its own: key 1 is not in 31."""
    from pyspark.sql import functions as F

    own = F.col(quoted(column)).cast("string") == key
    if "_record" in rows.columns:
        literal = "\\Q" + key.replace("\\E", "\\E\\\\E\\Q") + "\\E"
        word = f"(?<![\\p{{L}}\\p{{N}}_.@-]){literal}(?![\\p{{L}}\\p{{N}}_.@-])"
        own = own | (F.col(quoted(column)).isNull() & F.regexp_like(F.col("_record"), F.lit(word)))
    return F.coalesce(own, F.lit(False))


def _look(context: Context, table: str, rows: DataFrame, column: str, key: str) -> Found:
    from pyspark.sql import functions as F

    time = context.pipeline.features.event_time
    timed = table in ("features", "labels") and time in rows.columns
    asked = [F.count("*").alias("rows"),
             (F.collect_set("_file") if "_file" in rows.columns else F.lit(None)).alias("files"),
             (F.collect_set(quoted(time)) if timed else F.lit(None)).alias("at")]  # fmt: skip
    one = rows.where(_mine(rows, column, key)).agg(*asked).collect()[0]  # a person's files and times: a handful
    at = tuple(each.astimezone(timezone.utc) for each in one["at"] or ())
    return Found(table, int(one["rows"]), tuple(sorted(one["files"] or ())), at)


def _models(context: Context, found: list[Found]) -> list[dict[str, JSON]]:
    """The versions that were trained on rows of the key: whose training range holds one of their times."""
    times = {at for each in found if each.table in ("features", "labels") for at in each.at}
    lineage, result = Lineage(context.ledger.records), []
    for trained in lineage.trainings():
        since, until = (datetime.fromisoformat(trained.facts[name]) for name in ("since", "until"))
        if any(since <= at < until for at in times):
            version = str(trained.facts["model_version"])
            decided = lineage.deployment(version)
            result.append({"version": version, "interval": trained.interval, "run": trained.run_id,
                           "decision": decided.facts.get("decision") if decided else None})  # fmt: skip
    return result


def _apply(context: Context, key: str, column: str, found: list[Found], told: Mapping[str, JSON]) -> str:
    """Deletes, table by table, and records it last. Again after an interruption it deletes what is left."""
    start = context.pipeline.start
    interval = Interval.containing(start, context.pipeline.interval)

    def call(inputs: Mapping[str, DataFrame], run_id: str) -> StepResult:
        for each in found:
            context.tables.delete(each.table, _mine(context.tables.read(Read(each.table)), column, key), run_id)
        return StepResult(facts={"column": column, "key_hash": hashlib.sha256(key.encode()).hexdigest(),
                                 "tables": told["tables"], "models": [each["version"] for each in told["models"]],
                                 "files": told["files"]})  # fmt: skip

    when = datetime.now(timezone.utc).isoformat()
    plan = Plan("erase", interval, None, call, subject=when, identity=[hashlib.sha256(key.encode()).hexdigest(), when],
                static=True)  # fmt: skip
    return execute(context, plan).record.run_id


def show(found: Mapping[str, Any], context: Context) -> None:
    """What was found, what was or would be deleted, and what is left to do by hand."""
    out = console()
    total = sum(found["tables"].values())
    done = "deleted" if found["applied"] else "would be deleted (dry run; --apply does it)"
    out.print(f"[bold]{total:,} rows {done}[/]: " + ", ".join(f"{t} {n:,}" for t, n in found["tables"].items()))
    if found["without_the_column"]:
        out.print(f"not looked at, having no column {found['column']}: {', '.join(found['without_the_column'])}")
    for model in found["models"]:
        decided = _STANDING.get(str(model["decision"]), "not decided")
        out.print(f"model v{model['version']} (trained {model['interval']}, {decided}) learnt from such rows")
    if {"features", "labels"} <= set(found["without_the_column"]):
        out.print("[bold]features and labels have no such column[/]: rows made from these stay there, and which models "
                  "learnt from them can't be told; erase those keys as well")  # fmt: skip
    elif not found["models"]:
        out.print("no model version learnt from such rows")
    out.print("What this doesn't reach:")
    for file in found["files"]:
        out.print(f"  the landed file {file}: read again, it would bring the rows back", soft_wrap=True)
    out.print("  older versions of the tables: they go with VACUUM, and with them what can be reproduced "
              "(audit --vacuum HOURS tells which)")  # fmt: skip
    if found["models"]:
        out.print("  the models themselves, and what MLflow keeps with them: train anew, delete those versions")
