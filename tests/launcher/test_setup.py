"""First use, and what stands in its way: one message each, that says what to do."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .conftest import HOME, NOWHERE, Launcher

JAR = "delta-spark_4.2_2.13-4.4.0.jar"
OFFLINE = {"PIP_INDEX_URL": f"{NOWHERE}/simple", "PIP_FIND_LINKS": "", "UV_OFFLINE": "1", "UV_NO_CACHE": "1"}


@pytest.fixture
def repository(tmp_path: Path) -> dict[str, str]:
    """Delta's jars in a folder, as a mirror would hold them, and the setting that names it."""
    folder = tmp_path / "mirror"
    shutil.copytree(HOME / "jars", folder)
    settings = tmp_path / "ivysettings.xml"
    settings.write_text(
        '<ivysettings><settings defaultResolver="m"/><resolvers><filesystem name="m">'
        f'<artifact pattern="{folder}/[artifact]-[revision].[ext]"/></filesystem></resolvers></ivysettings>'
    )
    return {"PERDURE_IVY_SETTINGS": str(settings)}


def cut(jar: Path) -> None:
    """Keep half of a file."""
    jar.write_bytes(jar.read_bytes()[: jar.stat().st_size // 2])


def stub_python(folder: Path, body: str) -> str:
    path = folder / "python-stub"
    path.write_text(f"#!/usr/bin/env bash\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_python_too_old(tmp_path: Path) -> None:
    old = stub_python(tmp_path, '[[ $1 != -V ]] || echo "Python 3.8.1"; [[ $1 == -V ]]')
    done = Launcher(tmp_path / "home", {"PERDURE_PYTHON": old})("--version")
    done.refused(1, "Python 3.10 or later", "Python 3.8.1", "apt install python3")


def test_python_without_venv(tmp_path: Path) -> None:
    bare = stub_python(tmp_path, 'case "$*" in *ensurepip*) exit 1 ;; esac')
    done = Launcher(tmp_path / "home", {"PERDURE_PYTHON": bare})("--version")
    done.refused(1, "venv module", "apt install python3-venv")


def test_no_network_on_first_use(tmp_path: Path) -> None:
    done = Launcher(tmp_path / "home", OFFLINE)("--version")
    done.refused(1, "could not fetch the Python packages", "network is needed", "run the same command again")
    assert not (tmp_path / "home" / "requirements.txt").exists()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    Launcher(tmp_path / "file" / "home")("--version").refused(1, "cannot write", "PERDURE_HOME")


def test_java_too_old_and_none_to_be_had(
    scratch: Path, stub_java: Callable[[str], Path], no_java_path: str
) -> None:
    old = stub_java("echo 'openjdk version \"11.0.2\"' >&2")
    (scratch / "java").unlink()
    env = {"JAVA_HOME": str(old), "PATH": no_java_path, **OFFLINE}
    done = Launcher(scratch, env)("--version")
    done.refused(1, "Java 17 or later is needed", "version 11", "openjdk-17-jre-headless")


def test_java_too_old_but_another_fits(
    scratch: Path, stub_java: Callable[[str], Path], no_java_path: str
) -> None:
    old = stub_java("echo 'openjdk version \"11.0.2\"' >&2")
    good = (scratch / "java").read_text().splitlines()[0]
    (Path(no_java_path) / "java").symlink_to(f"{good}/bin/java")
    done = Launcher(scratch, {"JAVA_HOME": str(old), "PATH": no_java_path})(script="setup.sh")
    assert done.code == 0
    assert (scratch / "java").read_text().splitlines()[0] == str(Path(good).resolve())


def test_half_a_jar_is_fetched_again(scratch: Path, repository: dict[str, str]) -> None:
    cut(scratch / "jars" / JAR)
    done = Launcher(scratch, repository)("--version")
    assert done.code == 0, done.err
    assert "cut short" in done.err
    assert (scratch / "jars" / JAR).read_bytes() == (HOME / "jars" / JAR).read_bytes()
    assert "fetching" not in Launcher(scratch, repository)("--version").err


def test_half_a_jar_and_no_network(scratch: Path, tmp_path: Path) -> None:
    settings = tmp_path / "ivysettings.xml"
    settings.write_text(
        '<ivysettings><settings defaultResolver="m"/><resolvers>'
        f'<ibiblio name="m" m2compatible="true" root="{NOWHERE}/"/></resolvers></ivysettings>'
    )
    cut(scratch / "jars" / JAR)
    done = Launcher(scratch, {"PERDURE_IVY_SETTINGS": str(settings)})("--version")
    done.refused(1, f"could not fetch {JAR}", "run the same command again")


def test_a_mirror_with_another_file(scratch: Path, repository: dict[str, str], tmp_path: Path) -> None:
    cut(tmp_path / "mirror" / JAR)
    (scratch / "jars" / JAR).unlink()
    Launcher(scratch, repository)("--version").refused(1, "sha256 differs")
    assert not (scratch / "jars" / JAR).exists()


def test_two_first_starts_at_once(scratch: Path, repository: dict[str, str]) -> None:
    cut(scratch / "jars" / JAR)
    with ThreadPoolExecutor(3) as pool:
        runs = [pool.submit(Launcher(scratch, repository), "--version") for _ in range(3)]
    assert [run.result().code for run in runs] == [0, 0, 0]
    assert sum("cut short" in run.result().err for run in runs) == 1
    assert not list(scratch.glob("ivy.*"))
