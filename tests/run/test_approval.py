"""A candidate that waits for a person: told everywhere, serves from the yes on, and not a run more than that."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from perdure import cli_serve
from perdure.core import pipeline_file
from perdure.core.errors import EnvironmentMismatch, UsageError
from perdure.core.protocols import Read
from perdure.io import environment
from perdure.report.view import build
from perdure.run import alerting, audit, cards, standing, summary
from perdure.run.champion import champion_at, waiting_at
from perdure.run.context import Context
from perdure.run.flow import Session, due
from perdure.run.gather import gather
from perdure.run.lineage import Lineage
from perdure.run.progress import Progress
from perdure.run.scratch import scratch

from .parcels import PIPELINE, project

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.long
Opened = Callable[[], AbstractContextManager[Context]]
END = datetime(2024, 1, 4, tzinfo=timezone.utc)
ASKED = PIPELINE.replace("2024-01-07", "2024-01-04").replace("{age: 2 days}", "{age: 1 day}").replace(
    "rollout: {kind: canary, steps: [10, 50], bake: 1, worse_by: 0.25}",
    "gate: {approval: required}\nalerts: {to: [\"json://127.0.0.1:9\"]}")


@pytest.fixture(scope="module")
def file(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three days of parcels whose candidates need a yes: trained at the end of the second and the third."""
    made = project(tmp_path_factory.mktemp("asked"))
    made.write_text(ASKED)
    with opening(made, spark) as context:
        session = Session(context)
        for interval in due(context):
            session.ingest(interval)
            session.validate(interval)
            session.featurize(interval)
            session.retrain(interval)
    return made


@contextmanager
def opening(file: Path, spark: SparkSession) -> Iterator[Context]:
    with Context(pipeline_file.load(str(file), None), spark, Progress(silent=True), str(file)) as context:
        yield context


@pytest.fixture
def copied(spark: SparkSession, file: Path, tmp_path: Path) -> Path:
    """The pipeline file of a copy of the project, to answer in."""
    shutil.copytree(file.parents[1], tmp_path / "copy")
    return tmp_path / "copy" / "pipelines" / file.name


def job(file: Path, *words: str) -> Result:
    return CliRunner().invoke(cli_serve.rollout, [str(file), *words])


def test_a_candidate_waits_and_the_next_takes_its_place(spark: SparkSession, file: Path) -> None:
    with opening(file, spark) as context:
        deployed = [r for r in context.ledger.records if r.step == "deploy"]
        assert [(r.interval[-2:], r.facts["decision"], r.facts["model_version"]) for r in deployed] == [
            ("02", "wait", "1"), ("03", "wait", "2")]
        assert all(r.facts["blessing"]["blessed"] for r in deployed), "found to run here before anybody is asked"
        checked = context.ledger.latest("leakage", interval="2024-01-03")
        assert checked is not None, "with every training"
        assert (checked.facts["rows"], checked.facts["compared"]) == (0, 241)
        judged = context.ledger.latest("evaluate", interval="2024-01-03")
        told = {line.rule: line for line in judged.gate.lines}  # type: ignore[union-attr]
        assert told["features as of an earlier time"].measured == "0 of 241 rows differ"
        assert told["what one feature alone tells of the label"].passed
        assert champion_at(context.ledger, END) is None
        assert [getattr(waiting_at(context.ledger, END.replace(day=day)), "version", None)
                for day in (2, 3, 4)] == [None, "1", "2"]
        assert not context.tables.exists("alias_history")
        said = {row["model_version"]: row["decision"] for row in context.tables.read(Read("decisions")).collect()
                if row["kind"] == "deploy"}
        assert said == {"1": "wait", "2": "wait"}
        assert summary.lines(context.ledger.records)[-1].deployed == "wait v2"
        view = build(gather(context))
        assert view.decisions.waiting == "2"
        assert view.verdict.because == "Version 2 passed its gate and waits for approval."
        assert "Waits for approval" in cards.texts(context, "2")["card.html"]
        first = next(iter(due(context)))
        told = alerting.alert(context, first.next, context.pipeline.alerts)  # type: ignore[arg-type]
        assert told.call({}, "").facts["changed"] == ["retrain", "approval"]
        with scratch(context, {}) as trial:
            assert trial.pipeline.gate.approval == "none", "a trial has nobody to ask"
    status = job(file, "status")
    assert status.exit_code == 0
    assert "v2 passed its gate and waits for approval since 2024-01-04: ./spark-submit.sh jobs/rollout.py" in (
        status.output)
    assert json.loads(job(file, "status", "--json").output)["waiting"]["model_version"] == "2"


@pytest.mark.parametrize(("words", "said"), [
    (("approve", "--why", "fine"), "approve which version"),
    (("approve", "2"), 'expected --why "..."'),
    (("approve", "2", "--why", " "), 'expected --why "..."'),
    (("approve", "1", "--why", "fine"), "v1 doesn't wait for approval (wait: it passed its gate"),
    (("approve", "1", "--why", "fine"), "v2 does, since 2024-01-04"),
    (("reject", "77", "--why", "fine"), "v77 doesn't wait for approval; v2 does"),
    (("advance", "3"), "advance takes no version")])
def test_what_cannot_be_answered(file: Path, words: tuple[str, ...], said: str) -> None:
    done = job(file, *words)
    assert done.exit_code == 2, done.output
    assert said in done.output


def test_a_yes_is_checked_recorded_and_given_once(
        spark: SparkSession, copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        here = environment.describe
        broken.setattr(environment, "describe", lambda *given: {**here(*given), "package numpy": "not there"})
        refused = job(copied, "approve", "2", "--why", "looks good")
    assert refused.exit_code == 5, refused.output
    assert "approved by hand, but it can't serve here and still waits: package numpy is not there" in refused.output
    assert json.loads(job(copied, "status", "--json").output)["waiting"]["model_version"] == "2"
    done = job(copied, "approve", "2", "--why", "looks good", "--json")
    assert done.exit_code == 0, done.output
    (record,) = json.loads(done.output)["runs"]
    assert (record["step"], record["subject"], record["facts"]["decision"]) == ("rollout", "by hand", "promote")
    assert record["facts"]["approval"] == {
        "answer": "approve", "why": "looks good", "waited_since": "2024-01-04T00:00:00+00:00"}
    assert "@" in record["who"]
    assert record["facts"]["blessing"]["blessed"]
    again = json.loads(job(copied, "approve", "2", "--why", "looks good", "--json").output)
    assert (again["runs"], again["already_done"]) == ([], 1)
    other = job(copied, "reject", "2", "--why", "second thoughts")
    assert other.exit_code == 2
    assert "v2 was answered for already: approved by hand: looks good, on 20" in other.output
    with opening(copied, spark) as context:
        champion = champion_at(context.ledger, END)
        assert champion is not None
        assert (champion.version, champion.effective_from) == ("2", END)
        assert waiting_at(context.ledger, END) is None
        named = context.tracking._client.get_model_version_by_alias(context.tracking.name, "champion")
        assert str(named.version) == "2"
        (row,) = context.tables.read(Read("alias_history")).collect()
        assert (row["alias"], row["model_version"], row["reason"]) == (
            "champion", "2", "promote: approved by hand: looks good")
        assert json.loads(row["evidence"])["why"] == "looks good"
        told = audit.model(Lineage(context.ledger.records), "2")
        assert told["approval"]["answer"] == "approve"
        assert told["decision"]["decision"] == "promote"
        assert summary.lines(context.ledger.records)[-1].deployed == "wait v2, promote v2"
        assert build(gather(context)).decisions.waiting == ""
        assert "Champion from" in cards.texts(context, "2")["card.html"]
        last = list(due(context))[-1]
        session = Session(context)
        session.retrain(last)
        assert session.tally.done == [], "the life before the yes is as it was"
        assert standing.at(context, END)["waiting"] is None


def test_a_no_leaves_all_as_it_was(spark: SparkSession, copied: Path) -> None:
    assert job(copied, "reject", "2", "--why", "the label is wrong").exit_code == 0
    with opening(copied, spark) as context:
        assert champion_at(context.ledger, END) is None
        assert waiting_at(context.ledger, END) is None
        assert context.ledger.latest("rollout", subject="by hand").facts["reason"] == (  # type: ignore[union-attr]
            "rejected by hand: the label is wrong")
        assert "Rejected by hand" in cards.texts(context, "2")["card.html"]
        with pytest.raises(UsageError, match="answered for already"):
            Session(context).answer(standing.latest(context), "approve", "2", "after all")
        session = Session(context)
        session.retrain(list(due(context))[-1])
        assert session.tally.done == []


def test_a_rollout_begins_with_the_yes(spark: SparkSession, copied: Path) -> None:
    """Beside a champion the pipeline's own rollout begins; a pinned version keeps it from that."""
    copied.write_text(copied.read_text() + "rollout: {kind: shadow}\n")
    assert job(copied, "approve", "2", "--why", "the first").exit_code == 0
    copied.write_text(copied.read_text().replace("2024-01-04", "2024-01-05").replace(
        "retrain: {when: {any: [{age: 1 day}]}}", "retrain: {when: always}"))
    with opening(copied, spark) as context:
        session, last = Session(context), list(due(context))[-1]
        session.ingest(last)
        session.validate(last)
        session.featurize(last)
        session.retrain(last)
        assert [r.facts["decision"] for r in session.tally.done if r.step == "deploy"] == ["wait"]
        session.change(last, "pin", None, "a holiday")
        with pytest.raises(UsageError, match=r"v2 is pinned by hand.*first: .*rollout.py.* unpin"):
            session.answer(last, "approve", "3", "better")
        session.change(last, "unpin", None, "")
        record = session.answer(last, "approve", "3", "better")
        assert record.facts["decision"] == "challenge"
        found = standing.at(context, last.end)
        assert (found["champion"], found["challenger"]["model_version"], found["waiting"]) == ("2", "3", None)


def test_what_keeps_it_from_running_is_an_environment_mismatch(
        spark: SparkSession, copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = environment.describe
    monkeypatch.setattr(environment, "describe", lambda *given: {**here(*given), "package numpy": "not there"})
    with opening(copied, spark) as context, pytest.raises(EnvironmentMismatch, match="still waits"):
        Session(context).answer(standing.latest(context), "approve", "2", "fine")
