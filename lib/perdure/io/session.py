"""The Spark session of a job, a notebook or a test, with the project's defaults.

The defaults stand in `io/spark/*.conf` (spark-defaults syntax), read here and by `spark-submit.sh`, so that a job and a
notebook run with the same settings. Under `spark-submit.sh` they are in place before Python starts; `get` then only
names the application.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def is_local(master: str) -> bool:
    """Whether driver and executor are one process under this master: `local`, `local[4]`, not `local-cluster[...]`."""
    return master == "local" or master.startswith("local[")


def read_conf(name: str) -> dict[str, str]:
    """The settings in `io/spark/<name>.conf`: one `key value` a line, `#` starts a comment line."""
    text = resources.files("perdure.io").joinpath("spark").joinpath(f"{name}.conf").read_text(encoding="utf-8")
    lines = (line.strip() for line in text.splitlines())
    pairs = (line.split(None, 1) for line in lines if line and not line.startswith("#"))
    return {key: value for key, value in pairs}


def delta_jars() -> list[Path]:
    """The Delta jars that `spark-submit.sh` fetched: from PERDURE_HOME, else from `.perdure` above this package.

    Empty where there are none (an installed package, a platform that brings its own Delta).
    """
    home = os.environ.get("PERDURE_HOME") or Path(__file__).resolve().parents[3] / ".perdure"
    return sorted(Path(home, "jars").glob("delta-*.jar"))


def defaults(master: str = "local[*]") -> dict[str, str]:
    """Every default setting for a session under `master`, Delta's jars and the quiet log configuration included."""
    conf = read_conf("common") | (read_conf("local") if is_local(master) else {})
    jars = [str(jar) for jar in delta_jars()]
    if jars and is_local(master):
        conf["spark.driver.extraClassPath"] = os.pathsep.join(jars)
    elif jars:
        conf["spark.jars"] = ",".join(jars)
    log4j = Path(__file__).with_name("spark") / "log4j2.properties"
    if log4j.is_file():
        conf["spark.driver.defaultJavaOptions"] = f'"-Dlog4j2.configurationFile={log4j.as_uri()}"'
    return conf


def get(app_name: str, master: str = "local[*]", conf: Mapping[str, str] | None = None) -> SparkSession:
    """The running session, or a new one.

    Started by spark-submit, or on a platform or a Spark Connect server, the session takes its master and settings from
    there and `master` is ignored. In a plain Python process a session is started under `master` with `defaults`.
    `conf` wins over both.
    """
    from pyspark.logger import PySparkLogger
    from pyspark.sql import SparkSession

    # These print a query's error, with Java's stack, before it is even raised; whoever catches it says what is due.
    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
        PySparkLogger.getLogger(name).setLevel(logging.CRITICAL + 1)
    builder = SparkSession.builder.appName(app_name)
    if _is_plain_process():
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        for key, value in defaults(master).items():
            builder = builder.config(key, value)
        builder = builder.master(master)
    for key, value in (conf or {}).items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def _is_plain_process() -> bool:
    """Whether nobody has set Spark up: no gateway from spark-submit, no Connect address, no active session."""
    from pyspark.sql import SparkSession

    given = ("PYSPARK_SUBMIT_ARGS", "PYSPARK_GATEWAY_PORT", "SPARK_REMOTE", "DATABRICKS_RUNTIME_VERSION")
    return not any(name in os.environ for name in given) and SparkSession.getActiveSession() is None
