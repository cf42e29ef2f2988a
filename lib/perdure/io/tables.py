"""Delta tables by logical name: pinned reads, and writes that can be repeated without harm. The only Delta user."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial, reduce
from pathlib import Path
from typing import Any

from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DateType, TimestampNTZType, TimestampType

from perdure.core.config import Target
from perdure.core.errors import PerdureError
from perdure.core.identifiers import quoted
from perdure.core.interval import Interval
from perdure.core.protocols import Read, Write

from .session import require_classic

# Characters that Delta takes in column names only with column mapping.
_NEEDS_MAPPING = re.compile(r"[ ,;{}()\n\t=]")
_TIMES = (DateType, TimestampType, TimestampNTZType)
_URL = re.compile(r"^[a-z][a-z0-9+.-]*:")
# Conflicts with another writer. Delta has committed nothing then, and a write of ours may be tried again: it carries
# its run id, so if the other one was the same run, trying again changes nothing.
_CONFLICT = re.compile(
    r"DELTA_CONCURRENT_|DELTA_METADATA_CHANGED|DELTA_PROTOCOL_CHANGED|Concurrent\w*Exception"
    r"|DELTA_CREATE_TABLE_WITH_NON_EMPTY_LOCATION|ALREADY_EXISTS"
)
_TRIES = 5
# So many are the tables, at their versions, that the steps of an interval read, and those of the steps beside them.
_FRAMES = 12


@dataclass(frozen=True)
class Commit:
    """What one write left: the table's version and the rows that it wrote, from Delta's own commit (None where that
    keeps no metrics)."""

    version: int
    rows: int | None


class Tables:
    """The tables of one target, below its `storage` or in its catalog schema."""

    def __init__(self, spark: SparkSession, place: Target, root: str) -> None:
        """`root`: the folder that a relative `storage` starts from. `conflicts` counts writes that met another one."""
        self._spark = spark
        self.conflicts = 0
        self._there: set[str] = set()
        self._frames: OrderedDict[tuple[str, int], DataFrame] = OrderedDict()
        self._lock = threading.Lock()
        self._schema = f"{place.catalog}.{place.schema_name}" if place.catalog else None
        storage = place.storage or ""
        self._storage = storage if _URL.match(storage) or storage.startswith("/") else f"{root}/{storage}"

    def where(self, table: str) -> str:
        """The table's path or three-part name, for people."""
        return f"{self._schema}.{table}" if self._schema else f"{self._storage}/tables/{table}"

    def sql_name(self, table: str) -> str:
        """The table as SQL names it."""
        return self.where(table) if self._schema else f"delta.`{self.where(table)}`"

    def exists(self, table: str) -> bool:
        """Whether the table has been written."""
        try:
            self._open(table, None).schema  # noqa: B018 (the look-up is what may fail)
        except AnalysisException:
            return False
        return True

    def read(self, wish: Read, version: int | None = None) -> DataFrame:
        """The rows that `wish` names, at `version` (default: the newest). Raises PerdureError when Delta has no such
        version any more (vacuumed, or the table was replaced)."""
        try:
            rows = self._open(wish.table, None) if version is None else self._opened(wish.table, version)
            rows.schema  # noqa: B018 (resolve now, so that a missing version is told here)
        except AnalysisException as error:
            at = "" if version is None else f" at version {version}"
            raise PerdureError(
                f"table {self.where(wish.table)} can't be read{at}: {str(error).splitlines()[0]}"
            ) from error
        conditions: list[Column] = []
        if wish.column is not None and wish.since is not None:
            conditions.append(F.col(wish.column) >= F.lit(wish.since))
        if wish.column is not None and wish.until is not None:
            conditions.append(F.col(wish.column) < F.lit(wish.until))
        return rows.where(reduce(Column.__and__, conditions)) if conditions else rows

    def write(self, write: Write, interval: Interval, run_id: str, *, static: bool = False) -> Commit:
        """Writes rows once a run id. A repeat changes nothing and answers with the first commit."""
        label = "static" if static else interval.label
        rows = write.rows.withColumns({"_interval": F.lit(label), "_run_id": F.lit(run_id)})
        options = {
            "txnAppId": f"{run_id}:{write.table}",
            "txnVersion": "1",
            "userMetadata": run_id,
            "mergeSchema": "true",
        }
        replaced = label if write.mode == "replace" else None
        if self._schema:
            self._into_catalog(rows, write.table, options, replaced)
        else:
            self._into_path(rows, write.table, options, replaced)
        return self.commit_of(write.table, run_id)

    def append_records(self, table: str, rows: DataFrame, note: str = "") -> None:
        """Appends control records (the ledger's), unpartitioned; small files are compacted by Delta as they gather.
        `note` becomes the commit's metadata."""
        if table not in self._there and not self.exists(table):
            self._create(table, rows, "TBLPROPERTIES ('delta.autoOptimize.autoCompact' = 'true')")
        self._there.add(table)
        options = {"userMetadata": note, "mergeSchema": "true"}
        writer = rows.write.format("delta").mode("append").options(**options)
        where = self.where(table)
        self._again(partial(writer.saveAsTable if self._schema else writer.save, where))

    def delete(self, table: str, condition: Column, note: str) -> None:
        """Deletes rows; `note` becomes the commit's metadata. Older versions hold them until VACUUM."""
        from delta.tables import DeltaTable

        require_classic(f"deleting rows of {table}")
        known = DeltaTable.forName if self._schema else DeltaTable.forPath
        with self._lock:
            self._frames.clear()
        option = "spark.databricks.delta.commitInfo.userMetadata"
        self._spark.conf.set(option, note)
        try:
            known(self._spark, self.where(table)).delete(condition)
        finally:
            self._spark.conf.unset(option)

    def history(self, table: str, limit: int | None = None) -> list[Row]:
        """The commits that Delta still tells of, newest first (`limit`: so many of them): version, timestamp,
        userName, operation, operationParameters, userMetadata, operationMetrics, ..."""
        some = "" if limit is None else f" LIMIT {limit}"
        # Whole, since a projection would be a job of its own.
        return self._spark.sql(f"DESCRIBE HISTORY {self.sql_name(table)}{some}").collect()

    def commit_of(self, table: str, run_id: str) -> Commit:
        """The newest commit that carries `run_id`. Raises PerdureError when the table's history has none."""
        newest = self._newest_commit(table)
        if newest is not None and newest[0] == run_id:
            return newest[1]
        for limit in (1, None):
            for row in self.history(table, limit):
                if row["userMetadata"] == run_id:
                    written = (row["operationMetrics"] or {}).get("numOutputRows")
                    return Commit(int(row["version"]), None if written is None else int(written))
        raise PerdureError(f"table {self.where(table)} has no commit of run {run_id[:12]}; was its history vacuumed?")

    def _newest_commit(self, table: str) -> tuple[str, Commit] | None:
        """The newest commit and the run id that it carries, from the log's own file (Delta's protocol, "Commit
        Provenance Information"), where that lies on a local disk; asking Delta is a Spark job. None elsewhere."""
        if self._schema or not self._storage.startswith("/"):
            return None
        try:
            log = Path(self.where(table), "_delta_log")
            file = max(log.glob("*.json"), key=lambda each: each.name)
            with file.open(encoding="utf-8") as lines:
                made = next(found for line in lines if (found := json.loads(line).get("commitInfo")))
            written = (made.get("operationMetrics") or {}).get("numOutputRows")
            return made.get("userMetadata", ""), Commit(int(file.stem), None if written is None else int(written))
        except (OSError, ValueError, StopIteration):
            return None

    def _into_path(self, rows: DataFrame, table: str, options: Mapping[str, str], replaced: str | None) -> None:
        writer = rows.write.format("delta").options(**options, **_properties(rows)).partitionBy("_interval")
        if replaced is None:
            writer = writer.mode("append")
        else:
            writer = writer.mode("overwrite").option("replaceWhere", f"_interval = '{replaced}'")
        self._again(partial(writer.save, self.where(table)))

    def _into_catalog(self, rows: DataFrame, table: str, options: Mapping[str, str], replaced: str | None) -> None:
        """A table of a catalog is made before it is written: of two that make it by writing, one loses its rows."""
        if not self.exists(table):
            escaped = {name: re.sub(r"([\\'])", r"\\\1", value) for name, value in _properties(rows).items()}
            properties = ", ".join(f"'{name}' = '{value}'" for name, value in escaped.items())
            self._create(table, rows, f"PARTITIONED BY (_interval) TBLPROPERTIES ({properties})")
        writer = rows.writeTo(self.where(table)).options(**options)
        write = writer.append if replaced is None else partial(writer.overwrite, F.col("_interval") == replaced)
        self._again(write)

    def _create(self, table: str, rows: DataFrame, how: str) -> None:
        create = f"CREATE TABLE IF NOT EXISTS {self.sql_name(table)} ({_columns(rows)}) USING delta {how}"
        self._again(lambda: self._spark.sql(create))

    def _again(self, write: Callable[[], object]) -> None:
        """Does a write, and does it again where it met another writer's."""
        for left in reversed(range(_TRIES)):
            try:
                write()
                return
            except Exception as error:
                if not left or not _CONFLICT.search(str(error)):
                    raise
                self.conflicts += 1
                time.sleep(0.5 * (_TRIES - left))

    def _opened(self, table: str, version: int) -> DataFrame:
        """The table at a version, which never changes: steps that read the same one share Delta's picture of it, which
        costs several Spark jobs to make where a newer version is there."""
        with self._lock:
            if (table, version) in self._frames:
                self._frames.move_to_end((table, version))
                return self._frames[table, version]
        rows = self._open(table, version)
        with self._lock:
            self._frames[table, version] = rows
            while len(self._frames) > _FRAMES:
                self._frames.popitem(last=False)
        return rows

    def _open(self, table: str, version: int | None) -> DataFrame:
        reader: Any = self._spark.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", version)
        rows: DataFrame = reader.table(self.where(table)) if self._schema else reader.load(self.where(table))
        return rows


def _columns(rows: DataFrame) -> str:
    return ", ".join(f"{quoted(field.name)} {field.dataType.simpleString()}" for field in rows.schema.fields)


def _properties(rows: DataFrame) -> dict[str, str]:
    """What a table that is made for these rows is made with. Delta's statistics tell which files a query can leave out.
    Reads here are bounded by interval (a partition) and by time, and statistics of every column are a quarter of what
    a write costs: the times have them, the other columns don't."""
    times = [quoted(field.name) for field in rows.schema.fields if isinstance(field.dataType, _TIMES)]
    made = {"delta.dataSkippingStatsColumns": ",".join(times)} if times else {"delta.dataSkippingNumIndexedCols": "0"}
    if any(_NEEDS_MAPPING.search(name) for name in rows.columns):
        made["delta.columnMapping.mode"] = "name"
    return made
