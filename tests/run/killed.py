"""Runs the run job, but kills it (and its Java machine) with SIGKILL at the next boundary that hasn't killed yet.

A boundary is just before or just after a table's write, a ledger append, a registration or an alias, or while one of
them is at work (PERDURE_KILL_WHEN, default before,after); with PERDURE_KILL_WHEN=trial there is one, when a search
has kept its fourth trial. The file that PERDURE_KILLS names holds the boundaries used so far; PERDURE_KILL_SHARE kills
only at one in so many of them, PERDURE_KILL_AT (patterns, a line each) at the first that begins as each of them says.
PERDURE_KILL_JOB: another job than run.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from perdure import cli
from perdure.io.searches import Search
from perdure.io.tables import Tables
from perdure.io.tracking import Tracking

USED = Path(os.environ["PERDURE_KILLS"])
WHEN = os.environ.get("PERDURE_KILL_WHEN", "before,after").split(",")
JOB = os.environ.get("PERDURE_KILL_JOB", "run")
SHARE = int(os.environ.get("PERDURE_KILL_SHARE", "1"))
AT = os.environ.get("PERDURE_KILL_AT", "").splitlines()
LOCK = threading.Lock()


def wanted(name: str, used: list[str]) -> bool:
    if AT:
        return any(re.match(each, name) and not any(re.match(each, other) for other in used) for each in AT)
    return name.split()[0] in WHEN and name not in used and zlib.crc32(name.encode()) % SHARE == 0


def boundary(name: str) -> None:
    with LOCK:
        used = USED.read_text().splitlines() if USED.exists() else []
        if not wanted(name, used):
            return
        with USED.open("a") as file:
            file.write(name + "\n")
            file.flush()
            os.fsync(file.fileno())
        found = subprocess.run(["pgrep", "-P", str(os.getpid())], capture_output=True, text=True, check=False)
        for child in found.stdout.split():
            os.kill(int(child), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)


def guarded(function: Callable[..., Any], name: Callable[..., str]) -> Callable[..., Any]:
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        label = name(*args)
        boundary(f"before {label}")
        during = threading.Timer(0.2, boundary, [f"during {label}"])
        during.start()
        result = function(self, *args, **kwargs)
        during.cancel()
        boundary(f"after {label}")
        return result

    return wrapped



def append_label(table: str, rows: Any, note: str = "") -> str:
    # The ledger's rows carry their step and interval: name the boundary by the newest of them.
    last = rows.orderBy("started_at").tail(1)[0]
    return f"record {last['step']} {last['subject']} {last['interval']}"


Tables.write = guarded(Tables.write, lambda write, interval, run_id: f"write {write.table} {interval}")  # type: ignore[method-assign]
Tables.append_records = guarded(Tables.append_records, append_label)  # type: ignore[method-assign]
Tracking.log_training = guarded(Tracking.log_training, lambda log: f"registration {log.name}")  # type: ignore[method-assign]
Tracking._register = guarded(Tracking._register, lambda run, tags: f"model version {tags['perdure.interval']}")  # type: ignore[method-assign]
Tracking.set_alias = guarded(Tracking.set_alias, lambda alias, version: f"alias {version}")  # type: ignore[method-assign]

KEPT: list[str] = []


def keep(self: Search, trial: Any) -> None:
    kept(self, trial)
    KEPT.append(trial.name)
    if len(KEPT) == 4:
        boundary(f"trial {trial.name} on {'all rows' if 'loss' in trial.metrics else 'a share'}")


kept, Search.keep = Search.keep, keep  # type: ignore[method-assign]

if __name__ == "__main__":
    sys.argv[0] = f"{JOB}.py"
    getattr(cli, JOB)()
