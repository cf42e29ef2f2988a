"""A throw-away PostgreSQL server on loopback, for tests that need one."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from .standalone import free_port


def programs() -> Path:
    """The newest server's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else Path(str(shutil.which("initdb"))).parent


@contextmanager
def server() -> Iterator[int]:
    """A server with its data in a folder of its own; gives its port. Its programs refuse root, so root runs them as
    `postgres`, who may not enter pytest's folders."""
    with TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as folder:
        user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if user:
            shutil.chown(folder, "postgres", "postgres")
        port, data = free_port(), f"{folder}/data"
        subprocess.run([*user, programs() / "initdb", "-D", data, "-A", "trust", "-U", "postgres", "--no-sync"],
                       check=True, capture_output=True, cwd=folder)  # fmt: skip
        control = [*user, str(programs() / "pg_ctl"), "-D", data, "-w"]
        options = f"-c listen_addresses=127.0.0.1 -p {port} -k {folder} -c fsync=off"
        subprocess.run([*control, "-o", options, "-l", f"{folder}/log", "start"], check=True, cwd=folder)
        try:
            yield port
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], check=True, cwd=folder)
