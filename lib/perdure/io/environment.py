"""The environment that a model scores in, as it is found: versions, settings that change answers, the cluster."""

from __future__ import annotations

import importlib
import platform
import re
from collections.abc import Iterable, Iterator
from functools import cache, partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

# Settings that can change what an expression over a row gives.
SETTINGS = {
    "ANSI mode": "spark.sql.ansi.enabled",
    "time zone": "spark.sql.session.timeZone",
    "case sensitive": "spark.sql.caseSensitive",
    "decimals lose precision": "spark.sql.decimalOperations.allowPrecisionLoss",
    "time parser": "spark.sql.legacy.timeParserPolicy",
}
_TASKS = 4


def describe(spark: SparkSession, packages: Iterable[str]) -> dict[str, str]:
    """Fact name to text. Java and Scala are asked in Spark tasks, where rows are scored: several machines that don't
    agree give several versions. One job, once a session. `packages` are imported; to be installed isn't enough."""
    java, scala = _machines(spark)
    return {
        "spark": spark.version, "scala": scala, "java": java, "python": platform.python_version(),
        **{f"package {name}": package(name) for name in packages},
        # Without a default of ours, a setting that nobody set answers with Spark's own.
        **{name: str(spark.conf.get(key)) for name, key in SETTINGS.items()},
        **_cluster(spark),
    }


def package(name: str) -> str:
    """The version of an importable package; otherwise what is wrong with it, such as a native library that it lacks."""
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        version = ""
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == name:
            return "not there"
        return f"{version} does not load: {error}".strip()
    except Exception as error:  # whatever a package does when it is imported
        return f"{version} does not load: {type(error).__name__}: {error}".strip()
    return version or str(getattr(module, "__version__", "of no version"))


def packages_in_tasks(spark: SparkSession, names: Iterable[str]) -> dict[str, str]:
    """What `package` says where Python runs in tasks; machines that don't agree give several answers. One job."""
    wanted = tuple(names)
    if not wanted:
        return {}
    asked = spark.range(0, _TASKS, 1, _TASKS).mapInArrow(partial(_look, wanted), "name string, found string")
    answers: dict[str, set[str]] = {}
    for row in asked.distinct().collect():
        answers.setdefault(row["name"], set()).add(row["found"])
    return {f"package {name} in tasks": " and ".join(sorted(answers[name])) for name in wanted}


def _look(names: tuple[str, ...], batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    for _ in batches:
        yield pa.RecordBatch.from_pydict({"name": list(names), "found": [package(name) for name in names]})


@cache
def _machines(spark: SparkSession) -> tuple[str, str]:
    java = "java_method('java.lang.System', 'getProperty', 'java.version')"
    scala = "java_method('scala.util.Properties', 'versionNumberString')"
    asked = spark.range(0, _TASKS, 1, _TASKS).selectExpr(f"{java} AS java", f"{scala} AS scala")
    found = asked.selectExpr("array_sort(collect_set(java)) AS java", "array_sort(collect_set(scala)) AS scala")
    row = found.collect()[0]
    return " and ".join(row["java"]), " and ".join(row["scala"])


def _cluster(spark: SparkSession) -> dict[str, str]:
    """Its kind, which must be the same, and its size."""
    def setting(name: str, default: Any = None) -> str | None:
        found: str | None = spark.conf.get(name, default)
        return found

    master = setting("spark.master") or "connect"
    kind = re.split(r"[\[:]", master)[0]
    cores = "".join(re.findall(r"\[(.*)\]", master)) or (
        f"{setting('spark.executor.instances', '?')} x {setting('spark.executor.cores', '?')}")
    memory = {name: setting(f"spark.{name.replace(' ', '.')}") for name in ("driver memory", "executor memory")}
    return {"cluster": kind, "cluster cores": cores, **{name: size for name, size in memory.items() if size}}


def peak_memory() -> int | None:
    """The most memory, in MiB, that this process and its children (the Java machine) have held; None where the system
    doesn't tell."""
    import os

    own, kilobytes = str(os.getpid()), 0
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            facts = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
        except OSError:
            continue  # ended meanwhile
        if own in (facts.get("Pid", "").strip(), facts.get("PPid", "").strip()):
            kilobytes += int(facts.get("VmHWM", "0").split()[0])
    return kilobytes // 1024 or None
