"""Late and corrected rows go where their event time says, once, and what was built on those intervals follows."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from perdure.core import pipeline_file
from perdure.core.errors import NotThereYet, SourceError, UsageError
from perdure.core.interval import Interval
from perdure.core.protocols import Read
from perdure.io.tables import Tables
from perdure.run import plans
from perdure.run.context import Context
from perdure.run.flow import Session
from perdure.run.progress import Progress

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PIPELINE = """\
pipeline: shop
targets: {local: {storage: tables, tracking: "sqlite:///m.db"}}
interval: 1 day
start: 2024-01-01
end: 2024-01-04
sources:
  sales:
    format: csv
    path: landing/{interval}.csv
    schema: {id: int, at: timestamp, item: string, price: double}
    key: [id]
    event_time: at
    late: upsert
    expectations: suite.json
features: {sql: features.sql, key: id, event_time: at, lookback: 1 day}
label: {column: dear, from: sales, expression: "price > 10"}
model: {task: binary, families: [logistic_regression]}
train: {window: 2 days, holdout: 1 day, minimum: 9 days}
"""
SUITE = {"name": "sales", "expectations": [
    {"type": "expect_column_values_to_be_between", "kwargs": {"column": "price", "min_value": 0}},
    {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "id"}},
]}  # fmt: skip
HEAD = "id,at,item,price\n"
FILES = {
    "2024-01-01": ["1,2024-01-01T01:00:00,a,1", "2,2024-01-01T02:00:00,b,2"],
    # A late row, a correction of 2, a bad one of 1, one older than the pipeline, one early, one that can't be read.
    "2024-01-02": ["5,2024-01-02T01:00:00,e,5", "3,2024-01-01T03:00:00,c,3", "2,2024-01-01T02:00:00,b,20",
                   "1,2024-01-01T01:00:00,a,-1", "9,2023-12-31T23:00:00,i,9", "8,2024-01-03T01:00:00,h,8", "x,y,z"],
    "2024-01-03": ["6,2024-01-03T01:00:00,f,6", "2,2024-01-01T02:00:00,b,200"],
}  # fmt: skip

def project(folder: Path) -> Path:
    (folder / "landing").mkdir(parents=True)
    (folder / "setup.cfg").touch()
    (folder / "features.sql").write_text("SELECT id, at, price FROM sales")
    for label, lines in FILES.items():
        (folder / "landing" / f"{label}.csv").write_text(HEAD + "\n".join(lines) + "\n")
    (folder / "shop.yml").write_text(PIPELINE)
    (folder / "suite.json").write_text(json.dumps(SUITE))
    return folder


def opened(spark: SparkSession, folder: Path) -> Context:
    return Context(pipeline_file.load(folder / "shop.yml"), spark, Progress(silent=True), "shop.yml")


def days(context: Context) -> list[Interval]:
    return [Interval.parse(label, context.pipeline.interval) for label in FILES]


def prepare(context: Context, *intervals: Interval) -> Session:
    session = Session(context)
    for interval in intervals:
        session.ingest(interval)
        session.validate(interval)
        session.featurize(interval)
    return session


def sold(context: Context, table: str = "sales") -> set[tuple[Any, ...]]:
    rows = context.tables.read(Read(table)).select("id", "price", "_interval").collect()
    return {tuple(row) for row in rows}


GOOD = {(1, 1.0, "2024-01-01"), (2, 200.0, "2024-01-01"), (3, 3.0, "2024-01-01"), (5, 5.0, "2024-01-02"),
        (6, 6.0, "2024-01-03")}  # fmt: skip
BAD = {(1, -1.0, "2024-01-01"), (9, 9.0, "2024-01-02"), (8, 8.0, "2024-01-02"), (None, None, "2024-01-02")}


@pytest.fixture(scope="module")
def stages(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The project after none, one, two and three of its days, each prepared when its file had landed."""
    place = tmp_path_factory.mktemp("late")
    found = [project(place / "after-0" / "shop")]
    for number in range(len(FILES)):
        found.append(copied(found[-1], place / f"after-{number + 1}"))
        with opened(spark, found[-1]) as context:
            prepare(context, days(context)[number])
    return found


def copied(folder: Path, place: Path) -> Path:
    return Path(shutil.copytree(folder, place / "shop"))


@pytest.fixture(scope="module")
def lived(spark: SparkSession, stages: list[Path]) -> Context:
    """All three days."""
    return opened(spark, stages[-1])


def test_late_and_corrected_rows_take_their_place(lived: Context) -> None:
    assert sold(lived) == GOOD
    assert sold(lived, "sales_quarantine") == BAD
    assert sold(lived, "features") == GOOD


def test_the_count_closes_over_all_intervals(lived: Context) -> None:
    newest = {record.interval: record.facts for record in lived.ledger.records if record.step == "validate"}
    for facts in newest.values():
        assert facts["rows_in"] == facts["good"] + facts["quarantined"] + facts["duplicates"]
    total: Counter[str] = Counter()
    for facts in newest.values():
        total.update({name: facts[name] for name in ("rows_in", "good", "quarantined", "duplicates")})
    landed = sum(len(lines) for lines in FILES.values())
    assert total == {"rows_in": landed, "good": len(GOOD), "quarantined": len(BAD), "duplicates": 2}


def test_the_ingest_says_where_its_rows_belong(lived: Context) -> None:
    facts = {record.interval: record.facts.get("late") for record in lived.ledger.records if record.step == "ingest"}
    assert facts == {"2024-01-01": None, "2024-01-02": {"2024-01-01": 3}, "2024-01-03": {"2024-01-01": 1}}


def test_again_does_nothing(lived: Context) -> None:
    session = prepare(lived, *days(lived))
    assert session.tally.done == []


def test_what_was_decided_before_does_not_see_it(lived: Context) -> None:
    first, second, third = days(lived)
    for plan in (plans.featurize(lived, first), plans.train(lived, first), plans.train(lived, second)):
        known = {record.known_at for records in plan.producers(lived.ledger).values() for record in records}
        assert known <= {"", plan.interval.end.isoformat()}
    found = plans.train(lived, third).producers(lived.ledger)["features"]
    seen = [(record.interval, record.known_at[:10]) for record in found]
    assert seen == [("2024-01-02", "2024-01-04"), ("2024-01-03", "")]


@pytest.mark.parametrize("at", [0, 2])
def test_all_at_once_or_in_any_session_gives_the_same(
    spark: SparkSession, tmp_path: Path, stages: list[Path], at: int
) -> None:
    again = opened(spark, copied(stages[at], tmp_path))
    prepare(again, *days(again))
    assert (sold(again), sold(again, "sales_quarantine")) == (GOOD, BAD)


@pytest.mark.parametrize("broken", [
    "sales", pytest.param("sales_quarantine", marks=pytest.mark.slow),
    pytest.param("features", marks=pytest.mark.slow), "labels"])
def test_stopped_between_any_two_writes_of_a_restatement(
    spark: SparkSession, tmp_path: Path, stages: list[Path], monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    context = opened(spark, copied(stages[1], tmp_path))
    first, second, third = days(context)
    real: Callable[..., Any] = Tables.write

    def stopping(self: Tables, write: Any, interval: Interval, run_id: str, **more: Any) -> Any:
        done = real(self, write, interval, run_id, **more)
        if (write.table, interval) == (broken, first):
            raise KeyboardInterrupt
        return done

    with monkeypatch.context() as patched:
        patched.setattr(Tables, "write", stopping)
        with pytest.raises(KeyboardInterrupt):
            prepare(context, second)
    again = opened(spark, tmp_path / "shop")
    prepare(again, second, third)
    assert (sold(again), sold(again, "sales_quarantine"), sold(again, "features")) == (GOOD, BAD, GOOD)


def test_a_file_that_lands_anew_without_its_late_rows_takes_them_back(
    spark: SparkSession, tmp_path: Path, stages: list[Path]
) -> None:
    context = opened(spark, copied(stages[2], tmp_path))
    second = days(context)[1]
    (tmp_path / "shop" / "landing" / "2024-01-02.csv").write_text(f"{HEAD}5,2024-01-02T01:00:00,e,5\n")
    prepare(context, second)
    assert sold(context) == {(1, 1.0, "2024-01-01"), (2, 2.0, "2024-01-01"), (5, 5.0, "2024-01-02")}


def test_an_interval_judged_again_alone_keeps_its_late_rows(
    spark: SparkSession, tmp_path: Path, stages: list[Path]
) -> None:
    context = opened(spark, copied(stages[3], tmp_path))
    first = days(context)[0]
    looser = {**SUITE, "expectations": SUITE["expectations"][1:]}
    (tmp_path / "shop" / "suite.json").write_text(json.dumps(looser))
    session = Session(context)
    session.validate(first)
    assert {row for row in sold(context) if row[2] == "2024-01-01"} == {
        (1, -1.0, "2024-01-01"), (2, 200.0, "2024-01-01"), (3, 3.0, "2024-01-01")}  # fmt: skip


def test_a_lived_interval_that_lands_anew_is_known_from_the_one_at_hand_on(spark: SparkSession, tmp_path: Path) -> None:
    context = opened(spark, project(tmp_path / "shop"))
    first, second, third = days(context)
    for day in (first, second):
        prepare(context, day).decide(day)
    file = tmp_path / "shop" / "landing" / "2024-01-01.csv"
    file.write_text(file.read_text().replace("01:00:00,a,1", "01:00:00,a,11"))
    session = prepare(context, first, second)
    done = [(record.step, record.interval, record.known_at[:10]) for record in session.tally.done]
    assert done == [("ingest", "2024-01-01", "2024-01-04"), ("validate", "2024-01-01", "2024-01-04"),
                    ("featurize", "2024-01-01", "2024-01-04"), ("featurize", "2024-01-02", "2024-01-04")]  # fmt: skip
    assert session.decide(first).facts["decision"] == session.decide(second).facts["decision"] == "keep"
    assert len(session.tally.done) == len(done)
    prepare(context, third)
    assert sold(context) == {(1, 11.0, "2024-01-01"), *(row for row in GOOD if row[0] != 1)}
    assert prepare(context, first, second, third).tally.done == []


def test_by_default_they_are_quarantined(spark: SparkSession, tmp_path: Path) -> None:
    folder = project(tmp_path / "shop")
    (folder / "shop.yml").write_text(PIPELINE.replace("    late: upsert\n", ""))
    context = opened(spark, folder)
    prepare(context, *days(context))
    assert sold(context) == {(1, 1.0, "2024-01-01"), (2, 2.0, "2024-01-01"), (5, 5.0, "2024-01-02"),
                             (6, 6.0, "2024-01-03")}  # fmt: skip


def test_input_that_changes_while_it_is_read_is_not_taken(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = opened(spark, project(tmp_path / "shop"))
    first = days(context)[0]
    real: Callable[..., Any] = Tables.write

    def changing(self: Tables, write: Any, interval: Interval, run_id: str, **more: Any) -> Any:
        done = real(self, write, interval, run_id, **more)
        (tmp_path / "shop" / "landing" / "2024-01-01.csv").write_text(f"{HEAD}4,2024-01-01T01:00:00,d,4\n")
        return done

    with monkeypatch.context() as patched:
        patched.setattr(Tables, "write", changing)
        with pytest.raises(SourceError, match="source 'sales' of 2024-01-01 changed while it was read"):
            Session(context).ingest(first)
    prepare(context, first)
    assert sold(context) == {(4, 4.0, "2024-01-01")}


def test_files_may_go_once_they_are_ingested(spark: SparkSession, tmp_path: Path, stages: list[Path]) -> None:
    """To an archive, say. Rows go with them only where that is asked for."""
    folder = copied(stages[0], tmp_path)
    shop = folder / "shop.yml"
    shop.write_text(shop.read_text().replace("landing/{interval}.csv", "landing/{interval}*.csv"))
    context = opened(spark, folder)
    first, second, _ = days(context)
    landing = folder / "landing"
    (landing / "2024-01-01-more.csv").write_text(f"{HEAD}4,2024-01-01T04:00:00,d,4\n")
    Session(context).ingest(first)
    (landing / "2024-01-01-more.csv").unlink()
    again = Session(context)
    again.ingest(first)
    assert (again.tally.done, len(sold(context, "raw_sales"))) == ([], 3)
    (landing / "2024-01-01-last.csv").write_text(f"{HEAD}7,2024-01-01T05:00:00,g,7\n")
    with pytest.raises(SourceError, match=r"files came while others are gone .* landing/2024-01-01-more.csv. Put them"):
        Session(context).ingest(first)
    Session(context, rerun=True).ingest(first)
    assert {row[0] for row in sold(context, "raw_sales")} == {1, 2, 7}
    for file in landing.iterdir():
        file.rename(landing.with_name(f"old-{file.name}"))
    done = Session(context)
    done.ingest(first)
    assert (done.tally.done, len(sold(context, "raw_sales"))) == ([], 3)
    with pytest.raises(NotThereYet, match="'sales' has no file for 2024-01-02 yet"):
        done.ingest(second)
    shop.write_text(shop.read_text().replace("landing/{interval}", "old-{interval}"))
    Session(opened(spark, folder)).ingest(first)
    assert len(sold(context, "raw_sales")) == 3


def test_intervals_of_another_width_want_a_place_of_their_own(
    spark: SparkSession, tmp_path: Path, stages: list[Path]
) -> None:
    file = copied(stages[1], tmp_path) / "shop.yml"
    file.write_text(file.read_text().replace("interval: 1 day", "interval: 1 hour"))
    with pytest.raises(UsageError, match=r"'local' was lived in intervals like 2024-01-01, .* are of 1 hour"):
        opened(spark, file.parent)
    file.write_text(file.read_text().replace("storage: tables", "storage: others"))
    assert opened(spark, file.parent).ledger.records == ()
