"""Quarantined rows for people: why they are there, what they are, a file to mend them in, and their way back."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from perdure.core import registry
from perdure.core.config import Source
from perdure.core.errors import DataGateRefused, PerdureError, UsageError
from perdure.core.identifiers import quoted
from perdure.core.interval import Interval
from perdure.core.protocols import Read
from perdure.core.record import RunRecord
from perdure.core.registry import did_you_mean

from . import late, sourcing
from .context import Context
from .engine import execute

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_OWN = {"_id": "string", "_from": "string", "_reasons": "string", "_raw": "string"}
_FORMATS = {".csv": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json"}
# What a spreadsheet would run as a formula. One apostrophe is put before it, and taken away when the file comes back.
_FORMULA, _PROTECTED = re.compile(r"^'*[=+\-@\t\r]"), r"^'('*[=+\-@\t\r])"
_SHOWN = 5


@dataclass(frozen=True)
class Quarantine:
    """The quarantine of one source: all of it, or of one interval."""

    context: Context
    name: str
    interval: str | None = None

    def __post_init__(self) -> None:
        """Raises UsageError for a source that the pipeline doesn't have."""
        known = self.context.pipeline.sources
        if self.name not in known:
            raise UsageError(f"no source '{self.name}'{did_you_mean(self.name, known)}; there are: {', '.join(known)}")

    @property
    def source(self) -> Source:
        """As the pipeline file has it."""
        return self.context.pipeline.sources[self.name]

    def rows(self, rule: str | None = None) -> DataFrame:
        """The quarantined rows, of one rule (the beginning of its fingerprint or its expectation's name) if given.
        Raises PerdureError before the first validation."""
        from pyspark.sql import functions as F

        table = f"{self.name}_quarantine"
        if not self.context.tables.exists(table):
            raise PerdureError(f"{self.name} was never validated: table {self.context.tables.where(table)} isn't there")
        rows = self.context.tables.read(Read(table))
        if self.interval is not None:
            rows = rows.where(F.col("_interval") == self.interval)
        if rule is not None:
            rows = rows.where(
                F.exists("_failures", lambda one: F.startswith(one["rule"], F.lit(rule)) | (one["expectation"] == rule))
            )
        return rows

    def summary(self) -> list[dict[str, Any]]:
        """One mapping a rule, the one with most rows first: expectation, column, severity, rule, rows, `first` and
        `last` interval, and up to three `values`."""
        from pyspark.sql import functions as F

        failures = self.rows().select("_interval", "_id", F.explode("_failures").alias("f"))
        groups = failures.groupBy("f.expectation", "f.column", "f.severity", "f.rule").agg(
            F.count(F.lit(1)).alias("rows"),
            F.min("_interval").alias("first"),
            F.max("_interval").alias("last"),
            F.sort_array(F.collect_set(F.substring("f.value", 1, 60))).alias("values"),
        )
        shown = groups.withColumn("values", F.slice("values", 1, 3)).orderBy(F.desc("rows"), "expectation", "column")
        return [row.asDict() for row in shown.collect()]

    def shown(self, count: int, rule: str | None = None) -> list[dict[str, Any]]:
        """Up to `count` rows, in the order of their files, as mappings of text."""
        rows = self._for_people(self.rows(rule)).limit(count)
        return [row.asDict() for row in rows.collect()]

    def export(self, file: Path, rule: str | None = None) -> int:
        """Writes the rows to a CSV or JSON lines file (by its ending) that can be edited and given back to `replay`;
        gives how many. Raises UsageError for another ending."""
        kind = _kind(file)
        rows = self._for_people(self.rows(rule), typed=kind == "json")
        partial = file.with_name(f".{file.name}.part")
        with partial.open("w", encoding="utf-8", newline="") as out:
            count = _write_json(out, rows) if kind == "json" else _write_csv(out, rows, self.source.columns)
        partial.replace(file)
        return count

    def _for_people(self, rows: DataFrame, *, typed: bool = False) -> DataFrame:
        """`_id`, `_from` (file:line), `_reasons`, `_raw` and the declared columns; these as text, or (`typed`) numbers
        and booleans as they are."""
        from pyspark.sql import functions as F

        def reason(one: Any) -> Any:
            value = F.coalesce(F.concat(F.lit(" ("), one["value"], F.lit(")")), F.lit(""))
            return F.concat(F.concat_ws(": ", one["column"], one["expectation"]), value)

        declared = [_text(name, kind, typed=typed).alias(name) for name, kind in self.source.columns.items()]
        return rows.orderBy("_file", "_line", "_id").select(
            "_id",
            F.concat_ws(":", "_file", "_line").alias("_from"),
            F.concat_ws("; ", F.transform("_failures", reason)).alias("_reasons"),
            F.col("_record").alias("_raw"),
            *declared,
        )

    # -- the way back ------------------------------------------------------------------------------------------------

    def replay(self, file: Path | None = None) -> list[RunRecord]:
        """Brings rows back: all that the suite as it is now lets pass, and those that were edited in `file`. Gives the
        new validations' records; none when there was nothing to do. Raises DataGateRefused when one was refused."""
        edits = _Edits(self, file) if file else None
        done = [record for label in self._labels(edits) if (record := self._replayed(label, edits)) is not None]
        refused = [record.interval for record in done if record.status == "refused"]
        if refused:
            raise DataGateRefused(f"{self.name} of {', '.join(refused)} does not pass its gate yet")
        return done

    def _replayed(self, label: str, edits: _Edits | None) -> RunRecord | None:
        context, source = self.context, self.source
        width = context.pipeline.interval
        interval = Interval.containing(context.pipeline.start, width) if source.static else Interval.parse(label, width)
        plan = sourcing.replay(context, self.name, interval, edits.of(label) if edits else None)
        before = context.ledger.latest("replay", subject=self.name, interval=label)
        facts: Any = plan.identity
        same = before is not None and all(before.facts[name] == facts[name] for name in ("edits", "suite"))
        judged = context.ledger.get(str(facts["validate_run"]))
        rules = sourcing.validate(context, self.name, interval).config
        mended = judged is None or _rules(judged.config) != _rules(rules)
        if not same and (edits is not None or mended):
            context.progress.ended(execute(context, plan).record)
        outcome = execute(context, sourcing.validate(context, self.name, interval))
        if outcome.known:
            return None
        for moment in late.later(context, [interval]):  # with the late rows that are known by now
            outcome = execute(context, sourcing.validate(context, self.name, interval, moment.end))
        left = outcome.record.facts
        note = f"{left.get('came_back', 0):,} came back, {left['quarantined']:,} in quarantine"
        context.progress.ended(outcome.record, note)
        return outcome.record

    def _labels(self, edits: _Edits | None) -> list[str]:
        """The intervals to look at, oldest first."""
        if edits is not None:
            return edits.labels
        found = {row["_interval"] for row in self.rows().select("_interval").distinct().collect()}
        # One that a killed replay had already noted, but not judged, must be gone through again.
        noted = {record.interval for record in self.context.ledger.records if record.step == "replay"
                 and record.subject == self.name and self.interval in (None, record.interval)}  # fmt: skip
        return sorted(found | noted)


class _Edits:
    """A file of edited rows, read and checked against the quarantine."""

    def __init__(self, quarantine: Quarantine, file: Path) -> None:
        """Raises UsageError for a file that can't be read as exported, with file, line and reason."""
        self._quarantine, self._file = quarantine, file
        self._rows = self._read()
        content = file.read_bytes()
        self.fingerprint = hashlib.sha256(content).hexdigest()[:16]
        self._located = self._locate()
        self.labels = sorted(row[0] for row in self._located.select("_interval").distinct().collect())

    def of(self, label: str) -> sourcing.Edits:
        """Those of one interval."""
        from pyspark.sql import functions as F

        mine = self._located.where(F.col("_interval") == label)
        return sourcing.Edits(self._rows.join(mine, "_id", "left_semi"), self.fingerprint)

    def _read(self) -> DataFrame:
        from pyspark.sql import functions as F

        declared, spark = self._quarantine.source.columns, self._quarantine.context.spark
        kind = _kind(self._file)
        names = _names(self._file, kind)
        missing = [name for name in ("_id", *declared) if name not in names] if kind == "csv" else []
        if missing:
            raise UsageError(f"{self._file}:1: expected the columns of an export; missing: {', '.join(missing)}")
        columns = {**{name: kind for name, kind in _OWN.items() if name in names or kind == "json"}, **declared}
        options: Mapping[str, bool] = {"multiLine": True} if kind == "csv" else {}
        config = Source(format=kind, path=str(self._file), schema=columns, options=dict(options))
        rows = registry.load("perdure.sources", kind).read(spark, [str(self._file.absolute())], config)
        problem = F.when(F.col("_reject").isNotNull(), F.col("_reject")).when(F.col("_id").isNull(), "_id is missing")
        bad = rows.select("_line", problem.alias("problem")).where("problem IS NOT NULL").orderBy("_line")
        found = [f"{self._file}:{row['_line']}: {row['problem']}" for row in bad.limit(_SHOWN).collect()]
        if found:
            raise UsageError("\n".join(found))
        if kind == "csv":
            texts = {name: F.regexp_replace(_named(name), _PROTECTED, "$1") for name, kind in declared.items()
                     if kind == "string"}  # fmt: skip
            rows = rows.withColumns(texts)
        chosen: DataFrame = rows.select("_id", *(_named(name) for name in declared))
        return chosen

    def _locate(self) -> DataFrame:
        """`_id` and `_interval` of every edited row. Raises UsageError for rows that were never in quarantine, or stand
        in the file twice."""
        from pyspark.sql import functions as F

        known = self._quarantine.rows().select("_id", "_interval")
        tables, table = self._quarantine.context.tables, f"{self._quarantine.name}_replayed"
        if tables.exists(table):
            known = known.union(tables.read(Read(table)).select("_id", "_interval"))
        if self._quarantine.interval is not None:
            known = known.where(F.col("_interval") == self._quarantine.interval)
        given = self._rows.groupBy("_id").agg(F.count(F.lit(1)).alias("times"))
        found = given.join(known.distinct(), "_id", "left")
        wrong = found.where("_interval IS NULL OR times > 1").orderBy("_id").limit(_SHOWN).collect()
        if wrong:
            ids = ", ".join(f"{row['_id']}{' (twice)' if row['times'] > 1 else ''}" for row in wrong)
            name = self._quarantine.name
            raise UsageError(f"{self._file}: expected rows of {name}'s quarantine, each once; found {ids}")
        return found.select("_id", "_interval")


def _rules(config: Any) -> Any:
    """What rows are judged by, of a validation's configuration."""
    return json.loads(json.dumps(config, sort_keys=True, default=str))


def _named(name: str) -> Any:
    from pyspark.sql import functions as F

    return F.col(quoted(name))


def _text(name: str, kind: str, *, typed: bool) -> Any:
    from pyspark.sql import functions as F

    if kind == "timestamp":
        return F.date_format(_named(name), "yyyy-MM-dd'T'HH:mm:ss.SSSSSSX")
    return _named(name) if typed else _named(name).cast("string")


def _kind(file: Path) -> str:
    kind = _FORMATS.get(file.suffix.lower())
    if kind is None:
        raise UsageError(f"{file}: expected a name that ends with one of {', '.join(_FORMATS)}")
    return kind


def _names(file: Path, kind: str) -> list[str]:
    """The columns that a CSV file's header names; those that JSON lines may have."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            return next(csv.reader(lines), []) if kind == "csv" else list(_OWN)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{file}: can't be read: {error}") from error


def _write_json(out: IO[str], rows: DataFrame) -> int:
    from pyspark.sql import functions as F

    count = 0
    texts = rows.select(F.to_json(F.struct(*(_named(name).alias(name) for name in rows.columns)),
                                  {"ignoreNullFields": "false"}))  # fmt: skip
    for count, row in enumerate(texts.toLocalIterator(), 1):  # noqa: B007 (the count is the answer)
        out.write(f"{row[0]}\n")
    return count


def _write_csv(out: IO[str], rows: DataFrame, declared: Mapping[str, str]) -> int:
    count = 0
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(rows.columns)
    texts = [declared.get(name, "string") == "string" for name in rows.columns]
    for count, row in enumerate(rows.toLocalIterator(), 1):  # noqa: B007 (the count is the answer)
        writer.writerow([protected(value) if text else value for value, text in zip(row, texts, strict=True)])
    return count


def protected(value: str | None) -> str | None:
    """A text that no spreadsheet runs: with an apostrophe before what would begin a formula."""
    return f"'{value}" if value is not None and _FORMULA.match(value) else value
