"""spark-submit.sh and setup.sh as a user runs them: real scripts, in an environment of the test's choosing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOME = Path(os.environ.get("PERDURE_HOME", ROOT / ".perdure"))
# Nothing listens there: every index, mirror or repository at this address is out of reach at once.
NOWHERE = "http://127.0.0.1:9"


@dataclass(frozen=True)
class Launcher:
    """Runs the scripts with `home` as their folder and `env` on top of a bare environment."""

    home: Path
    env: Mapping[str, str] = field(default_factory=dict)
    stdin: str = ""

    def __call__(self, *args: str | Path, script: str = "spark-submit.sh", cwd: Path = ROOT) -> Done:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "JAVA_HOME") if name in os.environ}
        env = kept | {"PERDURE_HOME": str(self.home), "CI": "true"} | dict(self.env)
        argv = [str(ROOT / script), *map(str, args)]
        run = subprocess.run(
            argv, env=env, cwd=cwd, input=self.stdin, capture_output=True, text=True, timeout=300, check=False
        )
        return Done(run.returncode, run.stdout, run.stderr)


@dataclass(frozen=True)
class Done:
    """How a run ended."""

    code: int
    out: str
    err: str

    def refused(self, code: int, *words: str) -> None:
        """Assert one clear message with these words in it, and neither language's stack trace."""
        assert self.code == code, self.err
        for word in words:
            assert word in self.err
        assert "Traceback" not in self.err
        assert "\tat " not in self.err
        assert "Exception in thread" not in self.err


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """A finished set-up of the test's own, in a folder with a space in its name: the real environment, copied jars."""
    home = tmp_path / "set up"
    home.mkdir()
    (home / "venv").symlink_to(HOME / "venv")
    shutil.copytree(HOME / "jars", home / "jars")
    for name in ("requirements.txt", "java"):
        shutil.copy(HOME / name, home)
    assert Launcher(home)(script="setup.sh").code == 0
    return home


@pytest.fixture
def stub_java(tmp_path: Path) -> Callable[[str], Path]:
    """Makes a Java home whose `bin/java` is the given shell script."""

    def make(body: str) -> Path:
        java = tmp_path / "stub java" / "bin" / "java"
        java.parent.mkdir(parents=True)
        java.write_text(f"#!/usr/bin/env bash\n{body}\n")
        java.chmod(0o755)
        return java.parents[1]

    return make


@pytest.fixture
def no_java_path(tmp_path: Path) -> str:
    """A PATH with every program of the real one but java."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for folder in reversed(os.environ["PATH"].split(os.pathsep)):
        for program in Path(folder).glob("*") if Path(folder).is_dir() else ():
            if program.name != "java" and "pyenv" not in program.parts:
                (tools / program.name).unlink(missing_ok=True)
                (tools / program.name).symlink_to(program)
    return str(tools)


@pytest.fixture
def command(scratch: Path, stub_java: Callable[[str], Path], tmp_path: Path) -> Callable[..., list[str]]:
    """Gives the Java command that Spark would be started by, one word a list item, then a `--` and the job's arguments.

    The job asks for a session; the Java that answers only notes how it was called.
    """
    real = (HOME / "java").read_text().splitlines()[0]
    noted = tmp_path / "noted"
    java = stub_java(
        f'for a; do [[ $a != org.apache.spark.launcher.Main ]] || exec "{real}/bin/java" "$@"; done\n'
        f'[[ $1 != -version ]] || exec "{real}/bin/java" "$@"\n'
        f"printf '%s\\0' \"$@\" >'{noted}'; exit 1"
    )

    def run(*args: str | Path, env: Mapping[str, str] | None = None, cwd: Path = ROOT) -> list[str]:
        done = Launcher(scratch, {"JAVA_HOME": str(java), **(env or {})})(*args, cwd=cwd)
        assert "JAVA_GATEWAY_EXITED" in done.err, done.err
        return [*noted.read_text().split("\0")[:-1], "--", *json.loads(done.out)]

    return run


def confs(words: Sequence[str]) -> dict[str, str]:
    """The `--conf` settings of a command; the last of a name wins, as in Spark."""
    pairs = (words[i + 1].split("=", 1) for i, word in enumerate(words) if word == "--conf")
    return {key: value for key, value in pairs}


def option(words: Sequence[str], name: str) -> str:
    """The value of a command's only option of this name."""
    assert words.count(name) == 1
    return words[words.index(name) + 1]
