"""What spark-submit.sh makes of its command line."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import ROOT, Launcher, confs, option

Command = Callable[..., list[str]]


@pytest.fixture
def job(tmp_path: Path) -> Path:
    path = tmp_path / "my job.py"
    path.write_text(
        "import json, sys\nprint(json.dumps(sys.argv), flush=True)\n"
        "from perdure.io import session\nsession.get('a job')\n"
    )
    return path


def test_arguments_after_the_job_reach_it_untouched(command: Command, job: Path) -> None:
    args = ["--master", "x", "two words", "", "*", "$HOME", "--py-files", 'quo"te', "-h"]
    words = command("--queue", "q q", "--conf", "spark.x=it's \"q\" $HOME", job, *args)
    assert words[words.index("--") + 1 :] == [str(job), *args]
    assert option(words, "--queue") == "q q"
    assert confs(words)["spark.x"] == "it's \"q\" $HOME"


def test_the_job_may_be_named_from_any_folder(command: Command, job: Path) -> None:
    assert command(job.name, cwd=job.parent)[-1] == job.name


def test_users_settings_win(command: Command, job: Path) -> None:
    words = command("--conf", "spark.sql.session.timeZone=CET", "-c", "spark.driver.memory=9g", job)
    assert confs(words)["spark.sql.session.timeZone"] == "CET"
    assert confs(words)["spark.sql.extensions"] == "io.delta.sql.DeltaSparkSessionExtension"
    assert "-Xmx9g" in words
    assert "-Xmx2g" in command("--driver-memory", "2g", job)


def test_properties_file_wins(command: Command, job: Path, tmp_path: Path) -> None:
    file = tmp_path / "my.conf"
    file.write_text("# mine\nspark.sql.session.timeZone  CET\nspark.master=local-cluster[1,1,1024]\n")
    ours = confs(command("--properties-file", file, job))
    assert "spark.sql.session.timeZone" not in ours
    assert "spark.sql.shuffle.partitions" not in ours


@pytest.mark.parametrize("master", ["local", "local[2]", "local[*,3]"])
def test_local_masters_are_tuned_for_small_data(command: Command, job: Path, master: str, scratch: Path) -> None:
    words = command("--master", master, job)
    assert confs(words)["spark.databricks.delta.snapshotPartitions"] == "1"
    assert "-Xmx4g" in words
    classpath = words[words.index("-cp") + 1].split(":")
    assert [Path(jar).parent for jar in classpath[:2]] == [scratch / "jars"] * 2
    assert "--jars" not in words


@pytest.mark.parametrize("master", ["local-cluster[2,1,1024]", "spark://127.0.0.1:7077", "yarn"])
@pytest.mark.parametrize("how", ["--master", "--conf"])
def test_cluster_masters_get_jars_and_library_but_no_small_settings(
    command: Command, job: Path, master: str, how: str, scratch: Path
) -> None:
    words = command(how, f"spark.master={master}" if how == "--conf" else master, job)
    assert not {"spark.sql.shuffle.partitions", "spark.ui.enabled", "spark.driver.host"} & set(confs(words))
    assert confs(words)["spark.sql.session.timeZone"] == "UTC"
    assert len(option(words, "--jars").split(",")) == 2
    assert option(words, "--py-files") == str(scratch / "perdure.zip")
    assert not [word for word in words if word.startswith("-XX:Tier")]


def test_jars_and_files_are_joined_with_ours(command: Command, job: Path, scratch: Path) -> None:
    mine = ("--jars", "a.jar,b.jar", "--conf", "spark.submit.pyFiles=c.zip", "--driver-class-path=d.jar")
    local = command(*mine, job)
    assert option(local, "--jars") == "a.jar,b.jar"
    assert option(local, "--py-files") == "c.zip"
    assert "d.jar" in local[local.index("-cp") + 1].split(":")[2:4]
    cluster = command("--master", "spark://h:1", *mine, job)
    assert option(cluster, "--jars").split(",")[2:] == ["a.jar", "b.jar"]
    assert option(cluster, "--py-files").split(",") == [str(scratch / "perdure.zip"), "c.zip"]


def test_no_arguments_and_help_teach(scratch: Path) -> None:
    launch = Launcher(scratch)
    nothing, asked = launch(), launch("--help")
    assert (nothing.code, asked.code) == (2, 0)
    assert "jobs/run.py pipelines/flights.yml" in asked.out == nothing.out


def test_wrong_usage(scratch: Path) -> None:
    launch = Launcher(scratch)
    launch("jobs/rum.py").refused(2, "no job file jobs/rum.py", str(ROOT))
    launch("--master", "local").refused(2, "no job file given")
    launch("--master").refused(2, "--master needs a value")


def test_a_job_without_spark_starts_no_java(scratch: Path, tmp_path: Path, stub_java: Callable[[str], Path]) -> None:
    java = stub_java('[[ $1 == -version ]] && echo "version \\"17.0.1\\"" || kill -9 $PPID')
    script = tmp_path / "job.py"
    script.write_text("import sys; print(input()); print('said', file=sys.stderr); sys.exit(int(sys.argv[1]))")
    done = Launcher(scratch, {"JAVA_HOME": str(java)}, stdin="asked")(script, "3")
    assert (done.code, done.out, done.err) == (3, "asked\n", "said\n")


def test_over_connect_no_java_is_started_here(scratch: Path, tmp_path: Path) -> None:
    script = tmp_path / "job.py"
    script.write_text(
        "import os, sys\nprint(os.environ['SPARK_REMOTE'], os.environ.get('PYSPARK_SUBMIT_ARGS'), sys.argv[1:])"
    )
    launch = Launcher(scratch, {"PYSPARK_SUBMIT_ARGS": "pyspark-shell"})
    done = launch("--remote", "sc://there:15002", script, "--master", "x")
    assert (done.code, done.out) == (0, "sc://there:15002 None ['--master', 'x']\n"), done.err
    named = Launcher(scratch, {"SPARK_REMOTE": "sc://named"})(script)
    assert named.out == "sc://named None []\n"
    launch("--remote", "sc://there", "--conf", "spark.x=1", script).refused(2, "the server's jars and settings hold")
    launch("--remote", "sc://127.0.0.1:9", "jobs/history.py", "pipelines/flights.yml").refused(
        1, "the Spark Connect server at 127.0.0.1:9 must answer", "refused")
    launch("--remote", "sc://there", "--jars", "a.jar", script).refused(2, "the server's jars and settings hold")


def test_what_is_no_local_python_job_goes_sparks_way(scratch: Path) -> None:
    done = Launcher(scratch)("--version")
    assert done.code == 0
    assert "version 4.2.0" in done.err
    assert "WARNING" not in done.err


def test_class_archive_is_used_only_whole_and_for_this_setup(command: Command, job: Path, scratch: Path) -> None:
    used = f"-XX:SharedArchiveFile={scratch}/classes.jsa"
    archive, key = scratch / "classes.jsa", scratch / "classes.jsa.key"
    archive.write_bytes(b"classes" * 100)
    script = (
        'first=("$home"/jars/delta-*.jar); [[ ! -e $home/spark/no-blas.jar ]] || first+=("$home/spark/no-blas.jar"); '
        'source "$ROOT/lib/perdure/io/spark/local-java.sh"; printf %s "$archive_key$(stat -c "%s %Y" "$archive")"'
    )
    command(job)  # settles which Java the key is for
    java = (scratch / "java").read_text().splitlines()[0]
    env = os.environ | {"home": str(scratch), "ROOT": str(ROOT), "java": java, "java_options": "", "CI": "true"}
    key.write_text(subprocess.run(["bash", "-c", script], env=env, capture_output=True, text=True, check=True).stdout)
    assert used in command(job)
    assert used not in command("--master", "spark://h:1", job)
    assert used not in command(job, env={"PERDURE_CLASS_ARCHIVE": "off"})
    archive.write_bytes(b"classes" * 50)
    assert used not in command(job)
