"""The Spark session for tests, and a counter of the jobs that a piece of code starts."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from perdure.io import session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# The first compiler tier and the serial collector: half the CPU time of a short session. That tier has 48 MB for code
# by default; once they are full nothing is compiled any more. Classes have 21 MB before the first full collection.
_JVM = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:ReservedCodeCacheSize=256m -XX:MetaspaceSize=256m -Xss4m"


def spark_for_tests(folder: Path, conf: Mapping[str, str] | None = None) -> SparkSession:
    """A local session with two cores and Delta, whose warehouse and scratch files stay in `folder`.

    The project's own session defaults hold, but for fewer partitions and a Java machine tuned for short runs.
    `conf` wins over all of them.
    """
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    settings = session.defaults("local[2]")
    java = f"{settings.get('spark.driver.defaultJavaOptions', '')} {_JVM} -Dderby.system.home={folder}"
    settings |= {
        "spark.driver.defaultJavaOptions": java.strip(),
        "spark.driver.memory": "2g",
        "spark.sql.shuffle.partitions": "2",
        "spark.default.parallelism": "2",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.local.dir": str(folder / "scratch"),
    }
    return session.get("perdure-tests", "local[2]", settings | dict(conf or {}))


@dataclass
class JobCount:
    """What `count_jobs` found: `jobs` is set when its block ends."""

    jobs: int = 0


@contextmanager
def count_jobs(spark: SparkSession) -> Iterator[JobCount]:
    """Count the Spark jobs started inside the block, by whichever thread.

    >>> with count_jobs(spark) as count:  # doctest: +SKIP
    ...     df.count()
    >>> count.jobs  # doctest: +SKIP
    2
    """
    # The scheduler's own counter: exact, and it sees jobs that Delta starts in its own threads. Not over Spark Connect.
    scheduler = spark.sparkContext._jsc.sc().dagScheduler()
    found, before = JobCount(), scheduler.numTotalJobs()
    try:
        yield found
    finally:
        found.jobs = scheduler.numTotalJobs() - before
