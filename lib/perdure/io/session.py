"""The Spark session of a job, a notebook or a test, with the project's defaults.

The defaults stand in `io/spark/*.conf` (spark-defaults syntax), read here and by `spark-submit.sh`, so that a job and a
notebook run with the same settings. Under `spark-submit.sh` they are in place before Python starts; `get` then only
names the application.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from perdure.core.errors import EnvironmentMismatch, PerdureError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_CONNECT_PORT = 15002  # the server's default
_PATIENCE = 10  # seconds
_CONNECT = "uv pip install --python .perdure/venv/bin/python 'pyspark[connect]' (in requirements-dev.txt: pinned)"


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
    _require_answer(os.environ.get("SPARK_REMOTE", ""))
    try:
        spark = builder.getOrCreate()
    except ImportError as error:  # the Connect client's own packages
        raise EnvironmentMismatch(f"{error} Install what Spark Connect needs beside Spark: {_CONNECT}") from error
    if is_remote():
        _equip(spark)
    return spark


def _require_answer(remote: str) -> None:
    """Raises PerdureError when a Spark Connect server can't be reached: its client would try for minutes."""
    from urllib.parse import urlsplit

    place = urlsplit(remote)
    if place.scheme != "sc":
        return
    try:
        socket.create_connection((place.hostname or "", place.port or _CONNECT_PORT), _PATIENCE).close()
    except OSError as error:
        raise PerdureError(
            f"the Spark Connect server at {place.hostname}:{place.port or _CONNECT_PORT} must answer, but doesn't "
            f"({error.strerror or error}). Start it, or mend --remote; the same command resumes"
        ) from error


def is_remote() -> bool:
    """Whether this process's sessions are those of a Spark Connect server. Databricks', which bring Delta and store
    models on their own terms, don't count."""
    from pyspark.sql.utils import is_remote

    return bool(is_remote()) and "DATABRICKS_RUNTIME_VERSION" not in os.environ


def require_classic(what: str) -> None:
    """Raises EnvironmentMismatch over Spark Connect. `what` needs the Java machine beside this process."""
    if is_remote():
        raise EnvironmentMismatch(
            f"{what} needs a session of its own, not one of a Spark Connect server: MLflow stores and loads MLlib's "
            "models through the Java machine beside it. Nothing has been started; give the same command without "
            "--remote (and without SPARK_REMOTE), then go on over Connect"
        )


def _equip(spark: SparkSession) -> None:
    """Gives a Connect server's session what it can't bring: this library for its Python tasks, the time zone. Raises
    EnvironmentMismatch where the server has no Delta, which is set up when it starts."""
    from perdure.io.spark.pack import pack

    settings = read_conf("common")
    for key in ("spark.sql.extensions", "spark.sql.catalog.spark_catalog"):
        found = spark.conf.get(key, "") or ""
        if settings[key] not in found:
            raise EnvironmentMismatch(
                f"the Spark Connect server must have {key} = {settings[key]}, but it has {found or 'nothing'}. "
                "Start it with the project's settings: ./spark-submit.sh --class "
                "org.apache.spark.sql.connect.service.SparkConnectServer spark-internal"
            )
    spark.conf.set("spark.sql.session.timeZone", settings["spark.sql.session.timeZone"])
    with TemporaryDirectory() as folder:
        library = Path(folder, "perdure.zip")
        pack(Path(__file__).resolve().parents[2], library)
        spark.addArtifacts(str(library), pyfile=True)


def _is_plain_process() -> bool:
    """Whether nobody has set Spark up: no gateway from spark-submit, no Connect address, no active session."""
    from pyspark.sql import SparkSession

    given = ("PYSPARK_SUBMIT_ARGS", "PYSPARK_GATEWAY_PORT", "SPARK_REMOTE", "DATABRICKS_RUNTIME_VERSION")
    return not any(name in os.environ for name in given) and SparkSession.getActiveSession() is None
