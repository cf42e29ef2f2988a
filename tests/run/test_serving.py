"""Who scores, with what, and where: a canary rollout that ends a bad challenger, blessings, and changes by hand."""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from perdure import cli, cli_serve
from perdure.core import pipeline_file
from perdure.core.config import EnvironmentRules
from perdure.core.errors import EnvironmentMismatch, UsageError
from perdure.core.interval import Interval
from perdure.core.record import RunRecord
from perdure.io import environment
from perdure.models.compiled import Compiled
from perdure.run import blessing, serving, standing
from perdure.run.champion import challenger_at, champion_at
from perdure.run.context import Context
from perdure.run.flow import Session, due
from perdure.run.progress import Progress
from perdure.testing import families

from .parcels import ROWS, project

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.long
Opened = Callable[..., AbstractContextManager[Context]]


@pytest.fixture(scope="module")
def file(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The six days, lived."""
    made = project(tmp_path_factory.mktemp("parcels"))
    pipeline = pipeline_file.load(str(made), None)
    with Context(pipeline, spark, Progress(silent=True), str(made)) as context:
        Session(context).live(list(due(context)))
    return made


@pytest.fixture
def opened(spark: SparkSession, file: Path) -> Opened:
    """Opens the lived pipeline; keywords replace settings of its gate."""

    @contextmanager
    def open_again(**gate: Any) -> Iterator[Context]:
        pipeline = pipeline_file.load(str(file), None)
        pipeline = pipeline.model_copy(update={"gate": pipeline.gate.model_copy(update=gate)})
        with Context(pipeline, spark, Progress(silent=True), str(file)) as context:
            yield context

    return open_again


def day(number: int) -> datetime:
    return datetime(2024, 1, number, tzinfo=timezone.utc)


def the(context: Context, step: str, number: int) -> RunRecord:
    found = context.ledger.latest(step, interval=f"2024-01-{number:02d}") or next(
        record for record in reversed(context.ledger.records)
        if record.step == step and record.interval == f"2024-01-{number:02d}")
    return found


def test_the_bad_challenger_leaves_and_the_good_one_takes_over(opened: Opened) -> None:
    with opened() as context:
        said = [(r.interval[-2:], r.step, r.facts["decision"], r.facts["model_version"])
                for r in context.ledger.records if r.step in ("deploy", "rollout")]
        assert said == [
            ("02", "deploy", "promote", "1"),
            ("03", "deploy", "challenge", "2"),
            ("04", "rollout", "rollback", "2"),
            ("04", "deploy", "challenge", "3"),
            ("05", "rollout", "advance", "3"),
            ("06", "rollout", "promote", "3"),
        ]
        assert "against the champion's" in the(context, "rollout", 4).facts["reason"]
        assert "v3 is being rolled out, serving 50 % of the keys" in the(context, "retrain", 5).facts["reason"]
        served = {n: [getattr(at(context.ledger, day(n)), "version", None) for at in (champion_at, challenger_at)]
                  for n in range(2, 8)}
        assert served == {2: [None, None], 3: ["1", None], 4: ["1", "2"], 5: ["1", "3"], 6: ["1", "3"], 7: ["3", None]}
        assert "v3 has only now taken over" in the(context, "retrain", 6).facts["reason"]
        shares = {n: the(context, "score", n).facts.get("challenger_share") for n in (3, 4, 5, 6)}
        assert shares == {3: None, 4: 10, 5: 10, 6: 50}


def test_both_predictions_are_kept_and_apart(opened: Opened) -> None:
    with opened() as context:
        from perdure.core.protocols import Read

        rows = context.tables.read(Read("predictions")).where("_interval = '2024-01-04'")
        counts = {(r["model_version"], r["role"]): r["count"]
                  for r in rows.groupBy("model_version", "role").count().collect()}
        assert set(counts) == {("1", "champion"), ("1", "shadow"), ("2", "challenger"), ("2", "shadow")}
        assert counts["1", "champion"] + counts["2", "challenger"] == ROWS
        assert counts["1", "shadow"] == counts["2", "challenger"]
        assert 15 < counts["2", "challenger"] < 70
        models = the(context, "performance", 4).facts["models"]
        assert {version: found["rows"] for version, found in models.items()} == {"1": ROWS, "2": ROWS}
        assert models["2"]["metrics"]["log_loss"] > 1.5 * models["1"]["metrics"]["log_loss"]
        whole, *slices = the(context, "rollout", 4).facts["disagreement"]
        assert (whole["slice_key"], whole["rows"]) == (None, ROWS)
        assert whole["other_class"] > 0.5
        assert {found["slice_key"] for found in slices} == {"town"}
        assert sum(found["rows"] for found in slices) == ROWS
        watched = the(context, "monitor", 4).facts
        assert (watched["rows"], watched["model_version"]) == (ROWS, "1")
        aliases = context.tables.read(Read("alias_history")).orderBy("at").collect()
        assert [(r["alias"], r["reason"].split(":")[0]) for r in aliases] == [
            ("champion", "promote"), ("challenger", "challenge"), ("challenger", "rollback"),
            ("challenger", "challenge"), ("challenger", "advance"), ("champion", "promote")]


def test_the_compiled_form_scores_and_says_so(opened: Opened) -> None:
    with opened() as context:
        trained = the(context, "train", 2)
        assert trained.facts["serving"]["form"] == "compiled SQL"
        assert trained.facts["serving"]["golden_rows"] > 300
        assert the(context, "score", 3).facts["scored_by"] == "compiled SQL"
        model, _ = serving.scorer(context, trained.facts)
        assert isinstance(model, Compiled)


def test_a_compiled_form_that_differs_is_not_used(
        spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, rows = families.fit(spark, "gbt", "binary")
    model.write().save(str(tmp_path / "sparkml"))
    columns = {name: kind for name, kind in rows.dtypes if name in families.COLUMNS}
    trained = SimpleNamespace(model=model, holdout=rows, columns=columns, decision=None)
    sections = SimpleNamespace(features=SimpleNamespace(key="id"), model=SimpleNamespace(task="binary"))
    context: Any = SimpleNamespace(pipeline=sections, spark=spark)
    right = serving.compiled

    def wrong(model: Any, saved: str) -> Compiled:
        found = right(model, saved)
        return replace(found, value=f"{found.value} + 1e-6D")

    monkeypatch.setattr(serving, "compiled", wrong)
    serving.equip(trained, context, tmp_path)
    facts = json.loads((tmp_path / serving.FACTS).read_text())
    assert facts["form"] == "MLlib"
    assert "differs from MLlib" in facts["why"]


def require(context: Context, number: int = 6) -> dict[str, Any]:
    champion = champion_at(context.ledger, day(number))
    assert champion is not None
    return blessing.require(context, champion.train, Interval.parse(f"2024-01-{number:02d}", context.pipeline.interval))


@pytest.mark.parametrize(("setting", "value", "fact"), [
    ("spark.sql.ansi.enabled", "false", "ANSI mode"), ("spark.sql.session.timeZone", "Asia/Tokyo", "time zone")])
def test_another_session_is_refused_until_rechecked(
        spark: SparkSession, opened: Opened, setting: str, value: str, fact: str) -> None:
    before = str(spark.conf.get(setting))
    with opened() as context:
        assert "blessed_by" in require(context)
        spark.conf.set(setting, value)
        try:
            with pytest.raises(EnvironmentMismatch) as refused:
                require(context)
            assert refused.value.exit_code == 5
            (line,) = [line for line in str(refused.value).splitlines() if line.startswith(f"  {fact}")]
            assert line.split()[-2:] == [value, before]
            assert "--interval 2024-01-06 --recheck" in str(refused.value)
            Session(context).recheck(Interval.parse("2024-01-06", context.pipeline.interval))
            assert "blessed_by" in require(context)
        finally:
            spark.conf.set(setting, before)


def test_packages_and_libraries_and_java(
        opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    told = tmp_path / "parcelnet-1.5.2.dist-info"
    told.mkdir()
    (tmp_path / "parcelnet.py").write_text("")
    (told / "METADATA").write_text("Name: parcelnet\nVersion: 1.5.2\n")
    with opened(environment_rules=EnvironmentRules(packages=("parcelnet",))) as context:
        with pytest.raises(EnvironmentMismatch, match=r"package parcelnet +1\.5\.2 +not there"):
            require(context)
        Session(context).recheck(Interval.parse("2024-01-06", context.pipeline.interval))
        assert "blessed_by" in require(context)
        (told / "METADATA").write_text("Name: parcelnet\nVersion: 2.0.0\n")
        with pytest.raises(EnvironmentMismatch, match=r"package parcelnet +2\.0\.0 +1\.5\.2"):
            require(context)
        (told / "METADATA").write_text("Name: parcelnet\nVersion: 1.5.2\n")
        (tmp_path / "parcelnet.py").write_text("import ctypes\nctypes.CDLL('libparcelnet_fast.so.7')\n")
        sys.modules.pop("parcelnet")
        importlib.invalidate_caches()
        with pytest.raises(EnvironmentMismatch, match=r"does not load: OSError: libparcelnet_fast\.so\.7"):
            require(context)
        with pytest.raises(EnvironmentMismatch, match=r"does not load"):  # a check can't bless it either
            Session(context).recheck(Interval.parse("2024-01-06", context.pipeline.interval))
    here = environment.describe
    monkeypatch.setattr(environment, "describe", lambda *given: {**here(*given), "java": "11.0.2"})
    with opened() as context, pytest.raises(EnvironmentMismatch, match=r"java +11\.0\.2 +(17|2\d)"):
        require(context)


def test_dry_run_says_it_and_off_does_not_ask(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    here = environment.describe
    monkeypatch.setattr(environment, "describe", lambda *given: {**here(*given), "spark": "5.0.0"})
    with opened(environment="dry_run") as context:
        told = require(context)["environment_differences"]
        assert any(each.startswith("spark: 5.0.0, checked with 4.") for each in told), told
    with opened(environment="off") as context:
        assert require(context) == {}


@pytest.fixture(scope="module")
def needing(spark: SparkSession, file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """The lived pipeline, which needs a package from now on and was checked with it: its file, the package's folder."""
    made, folder = file.with_name("needing.yml"), tmp_path_factory.mktemp("packages")
    made.write_text(f"{file.read_text()}gate: {{environment_rules: {{packages: [parcelmap]}}}}\n")
    (folder / "parcelmap-1.5.2.dist-info").mkdir()
    _parcelmap(folder, "1.5.2", "")
    sys.path.insert(0, str(folder))
    done = CliRunner().invoke(cli_serve.deploy, [str(made), "--interval", "2024-01-06", "--recheck"])
    assert done.exit_code == 0, done.output
    yield made, folder
    sys.path.remove(str(folder))


def _parcelmap(folder: Path, version: str, source: str) -> None:
    (folder / "parcelmap-1.5.2.dist-info" / "METADATA").write_text(f"Name: parcelmap\nVersion: {version}\n")
    (folder / "parcelmap.py").write_text(source)
    sys.modules.pop("parcelmap", None)
    importlib.invalidate_caches()


MISSING = "import ctypes\nctypes.CDLL('libparcelmap_fast.so.7')\n"
BROKEN = {
    "package": ("package parcelmap", r"2\.0\.0 +1\.5\.2", lambda _, folder: _parcelmap(folder, "2.0.0", "")),
    "Spark conf": ("ANSI mode", "false +true", lambda spark, _: spark.conf.set("spark.sql.ansi.enabled", "false")),
    "time zone": ("time zone", "Asia/Tokyo +UTC",
                  lambda spark, _: spark.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")),
    "Java": ("java", r"11\.0\.2 +(17|2\d)\.", None),
    "native library": ("package parcelmap", r"1\.5\.2 does not load: OSError: libparcelmap_fast\.so\.7.* +1\.5\.2",
                       lambda _, folder: _parcelmap(folder, "1.5.2", MISSING)),
}
"""What is broken: the fact that tells, what the table says of it here and where it was checked, and how to break it."""


@pytest.mark.parametrize("what", BROKEN)
def test_the_job_refuses_a_broken_environment(spark: SparkSession, needing: tuple[Path, Path], what: str,
                                              monkeypatch: pytest.MonkeyPatch) -> None:
    """Really broken, but for Java: another one would need a process of its own, so the tasks' answer is changed."""
    (file, folder), (fact, told, broken) = needing, BROKEN[what]
    before = {key: str(spark.conf.get(key)) for key in ("spark.sql.ansi.enabled", "spark.sql.session.timeZone")}
    try:
        if broken is None:
            monkeypatch.setattr(environment, "_machines", lambda _: ("11.0.2", "2.13.18"))
        else:
            broken(spark, folder)
        done = CliRunner().invoke(cli.score, [str(file), "--interval", "2024-01-06", "--rerun"])
    finally:
        _parcelmap(folder, "1.5.2", "")
        for key, value in before.items():
            spark.conf.set(key, value)
    assert done.exit_code == 5, done.output
    lines = done.output.splitlines()
    assert any(re.fullmatch(r" +here +checked with", line) for line in lines), done.output
    (line,) = [line for line in lines if re.match(rf"  {fact}  ", line)]
    assert re.search(told, line), line
    assert f"check it in this one: ./spark-submit.sh jobs/deploy.py {file} --interval 2024-01-06 --recheck" in (
        done.output)


def test_what_was_mended_scores_again(needing: tuple[Path, Path]) -> None:
    done = CliRunner().invoke(cli.score, [str(needing[0]), "--interval", "2024-01-06"])
    assert done.exit_code == 0, done.output


def test_changes_by_hand(file: Path, opened: Opened) -> None:
    """From the newest interval's end on, with who and why; a pinned version is not replaced."""
    def job(*words: str) -> Any:
        done = CliRunner().invoke(cli_serve.rollout, [str(file), *words])
        assert done.exit_code == 0, done.output
        return done.output

    with opened() as context:
        last = standing.latest(context).end
        assert last == day(7)
        with pytest.raises(UsageError, match="never served"):
            Session(context).change(standing.latest(context), "pin", "99", "")
    assert json.loads(job("status", "--json"))["champion"] == "3"
    job("pin", "1", "--why", "customers complained")
    with opened() as context:
        assert standing.at(context, last)["champion"] == "1"
        assert standing.at(context, last)["pinned"]
        assert standing.at(context, day(6))["challenger"]["model_version"] == "3"
        change = json.loads(job("status", "--json"))["changes"][-1]
        assert (change["by_hand"], change["reason"], change["decision"]) == (True, "customers complained", "pin")
        assert "@" in change["who"]
    assert "v1 is champion since 2024-01-07, pinned by hand" in job("status")
    job("unpin")
    job("rollback")
    with opened() as context:
        assert standing.at(context, last)["champion"] == "3"
        assert not standing.at(context, last)["pinned"]
    done = CliRunner().invoke(cli.history, [str(file), "--champion-at", "2024-01-05T12:00", "--json"])
    found = json.loads(done.output)
    assert (found["champion"], found["challenger"]["model_version"], found["challenger"]["share"]) == ("1", "3", 10)
