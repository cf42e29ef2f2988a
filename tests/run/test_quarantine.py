"""Quarantined rows: seen, exported, mended and brought back, once and with their history."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from perdure.core import pipeline_file
from perdure.core.errors import DataGateRefused, UsageError
from perdure.core.interval import Interval
from perdure.core.protocols import Read
from perdure.run.context import Context
from perdure.run.flow import Session
from perdure.run.progress import Progress
from perdure.run.quarantine import Quarantine, protected

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PIPELINE = """\
pipeline: shop
targets: {local: {storage: tables, tracking: "sqlite:///m.db"}}
interval: 1 day
start: 2024-01-01
end: 2024-01-03
sources:
  sales:
    format: csv
    options: {multiLine: true}
    path: landing/{interval}.csv
    schema: {id: int, at: timestamp, item: string, "unit price": double}
    key: [id]
    event_time: at
    expectations: suite.json
features: {sql: features.sql, key: id, event_time: at}
label: {column: item, from: sales}
model: {task: binary, families: [logistic_regression]}
train: {window: 2 days, holdout: 1 day}
"""
FIRST = """\
id,at,item,unit price
1,2024-01-01T01:00:00,a,1
2,2024-01-01T02:00:00,=1+1,-2
x,2024-01-01T03:00:00,"b,
c",3
4,2024-01-01T04:00:00,d,400
1,2024-01-01T01:00:00,a,1
"""
SECOND = "id,at,item,unit price\n5,2024-01-02T01:00:00,e,-5\n6,2024-01-02T02:00:00,f,6\n"


def suite(folder: Path, low: float, **more: Any) -> None:
    kwargs = {"column": "unit price", "min_value": low, "max_value": 100, **more}
    entry = {"type": "expect_column_values_to_be_between", "kwargs": kwargs}
    (folder / "suite.json").write_text(json.dumps({"name": "sales", "expectations": [entry]}))


def project(folder: Path) -> None:
    (folder / "landing").mkdir(parents=True)
    (folder / "setup.cfg").touch()
    (folder / "features.sql").write_text("SELECT id, at FROM sales")
    (folder / "landing" / "2024-01-01.csv").write_text(FIRST)
    (folder / "landing" / "2024-01-02.csv").write_text(SECOND)
    (folder / "shop.yml").write_text(PIPELINE)
    suite(folder, 0)


def opened(spark: SparkSession, folder: Path) -> Context:
    return Context(pipeline_file.load(folder / "shop.yml"), spark, Progress(silent=True), "shop.yml")


@pytest.fixture(scope="module")
def lived(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose two days were lived up to validation."""
    folder = tmp_path_factory.mktemp("lived")
    shutil.rmtree(folder)
    project(folder)
    with opened(spark, folder) as context:
        live(context)
    return folder


@pytest.fixture
def shop(spark: SparkSession, lived: Path, tmp_path: Path) -> Callable[[], Context]:
    """Opens a copy of the lived project, as a new process would."""
    shutil.copytree(lived, tmp_path, dirs_exist_ok=True)
    return lambda: opened(spark, tmp_path)


def live(context: Context, *days: str) -> None:
    session = Session(context)
    for day in days or ("2024-01-01", "2024-01-02"):
        session.ingest(Interval.parse(day, context.pipeline.interval))
        session.validate(Interval.parse(day, context.pipeline.interval))


def table(context: Context, name: str = "sales") -> list[Any]:
    return sorted((row for row in context.tables.read(Read(name)).collect()), key=lambda row: str(row["at"]))


def contents(context: Context) -> list[Any]:
    names = ("sales", "sales_quarantine", "sales_replayed")
    return [tuple(row) for name in names for row in table(context, name)]


def edit(file: Path, changes: dict[str, dict[str, str]]) -> None:
    """Rewrites cells of the exported rows whose `item` or `_raw` begins with a text."""
    with file.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    for start, cells in changes.items():
        (row,) = (row for row in rows if row["item"].startswith(start) or row["_raw"].startswith(start))
        row.update(cells)
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def closes(context: Context) -> bool:
    """Every newest validation's count, held against the tables."""
    good, bad = table(context), table(context, "sales_quarantine")
    for day in ("2024-01-01", "2024-01-02"):
        facts = context.ledger.latest("validate", subject="sales", interval=day).facts  # type: ignore[union-attr]
        counted = tuple(sum(row["_interval"] == day for row in rows) for rows in (good, bad))
        assert counted == (facts["good"], facts["quarantined"])
        assert facts["rows_in"] == facts["good"] + facts["quarantined"] + facts["duplicates"]
        assert facts["rows_in"] == (5 if day == "2024-01-01" else 2)
    return True


def test_rows_say_why_and_whence(shop: Callable[[], Context], tmp_path: Path) -> None:
    with shop() as context:
        found = Quarantine(context, "sales")
        assert [(one["expectation"], one["rows"], one["first"], one["last"]) for one in found.summary()] == [
            ("expect_column_values_to_be_between", 3, "2024-01-01", "2024-01-02"),
            ("parse", 1, "2024-01-01", "2024-01-01"),
        ]
        rows = table(context, "sales_quarantine")
        run = context.ledger.latest("validate", subject="sales", interval="2024-01-01")
        assert run is not None
        assert {row["_failures"][0]["run"] for row in rows if row["_interval"] == "2024-01-01"} == {run.run_id}
        places = {(Path(row["_file"]).name, row["_line"]) for row in rows}
        assert places == {("2024-01-01.csv", 3), ("2024-01-01.csv", 4), ("2024-01-01.csv", 6), ("2024-01-02.csv", 2)}
        assert all(row["_record"] for row in rows)
        (parsed,) = (row for row in rows if row["_failures"][0]["expectation"] == "parse")
        assert parsed["_record"].startswith("x,2024-01-01T03:00:00,")
        assert len({row["_id"] for row in rows}) == 4
        (shown,) = found.shown(5, rule="parse")
        assert "expected int, found 'x'" in shown["_reasons"]
        assert closes(context)


def test_what_a_spreadsheet_would_run_is_text(shop: Callable[[], Context], tmp_path: Path) -> None:
    with shop() as context:
        assert Quarantine(context, "sales").export(tmp_path / "bad.csv") == 4
        with (tmp_path / "bad.csv").open(newline="") as lines:
            rows = list(csv.DictReader(lines))
        assert {row["item"] for row in rows} == {"'=1+1", "b,\nc", "d", "e"}
        assert "-5.0" in {row["unit price"] for row in rows}
        assert Quarantine(context, "sales", "2024-01-02").export(tmp_path / "bad.jsonl") == 1
        (line,) = (tmp_path / "bad.jsonl").read_text().splitlines()
        assert json.loads(line)["unit price"] == -5.0
        with pytest.raises(UsageError, match=r"bad\.xls: expected a name that ends with one of"):
            Quarantine(context, "sales").export(tmp_path / "bad.xls")
    assert [protected(text) for text in ("=a", "'=a", "a=", "'a", "", None)] == ["'=a", "''=a", "a=", "'a", "", None]


def test_edited_rows_come_back_once_with_their_history(shop: Callable[[], Context], tmp_path: Path) -> None:
    file = tmp_path / "bad.csv"
    with shop() as context:
        first = context.ledger.latest("validate", subject="sales", interval="2024-01-01")
        found = Quarantine(context, "sales")
        found.export(file)
        edit(file, {"x,": {"id": "3", "at": "2024-01-01T03:00:00", "item": "b", "unit price": "3"},
                    "'=1": {"unit price": "2"}, "d": {"unit price": "401"}})  # fmt: skip
        assert [record.interval for record in found.replay(file)] == ["2024-01-01", "2024-01-02"]
        good = {row["id"]: row for row in table(context)}
        assert sorted(good) == [1, 2, 3, 6]
        assert (good[2]["item"], good[2]["unit price"]) == ("=1+1", 2.0)
        assert [one["expectation"] for one in good[3]["_replay_of"]] == ["parse"]
        assert good[3]["_replay_of"][0]["run"] == first.run_id  # type: ignore[union-attr]
        assert good[1]["_replay_of"] is None
        still = {row["id"]: row for row in table(context, "sales_quarantine")}
        assert still[4]["unit price"] == 401.0
        assert [one["value"] for one in still[4]["_replay_of"]] == ["400.0"]
        assert context.ledger.latest("validate", subject="sales", interval="2024-01-01").facts["came_back"] == 2  # type: ignore[union-attr]
        assert closes(context)
        before = contents(context)
        assert found.replay(file) == []
    with shop() as context:  # a new process knows it from the ledger
        assert Quarantine(context, "sales").replay(file) == []
        live(context)
        after = contents(context)
        assert after == before
        edit(file, {"d": {"unit price": "4"}})
        Quarantine(context, "sales").replay(file)
        (last,) = (row for row in table(context) if row["id"] == 4)
        assert [one["value"] for one in last["_replay_of"]] == ["400.0", "401.0"]
        assert closes(context)


def test_a_mended_suite_brings_its_rows_back(shop: Callable[[], Context], tmp_path: Path) -> None:
    with shop() as context:
        assert Quarantine(context, "sales").replay() == []
    suite(tmp_path, -10)
    with shop() as context:
        assert len(Quarantine(context, "sales").replay()) == 2
        good = {row["id"]: row for row in table(context)}
        assert sorted(good) == [1, 2, 5, 6]
        assert [one["value"] for one in good[5]["_replay_of"]] == ["-5.0"]
        assert Quarantine(context, "sales").replay() == []
        assert closes(context)


def test_a_refused_batch_can_be_mended(spark: SparkSession, tmp_path: Path) -> None:
    project(tmp_path / "shop")
    suite(tmp_path / "shop", 0, mostly=0.9)
    file = tmp_path / "bad.csv"
    with opened(spark, tmp_path / "shop") as context:
        with pytest.raises(DataGateRefused):
            live(context, "2024-01-01")
        found = Quarantine(context, "sales", "2024-01-01")
        found.export(file)
        edit(file, {"d": {"unit price": "4"}})
        with pytest.raises(DataGateRefused, match="2024-01-01 does not pass its gate yet"):
            found.replay(file)
        edit(file, {"'=1": {"unit price": "2"}})
        assert [record.status for record in found.replay(file)] == ["done"]
        assert sorted(row["id"] for row in table(context)) == [1, 2, 4]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "bad.csv:1: expected the columns of an export; missing: _id, id, at, item, unit price"),
        ("_id,id,at,item,unit price\n0123456789abcdef,1,,,\n", "expected rows of sales's quarantine.*0123456789abcdef"),
        ("_id,id,at,item,unit price\n,1,,,\n", "bad.csv:2: _id is missing"),
        ("_id,id,at,item,unit price\nx,one,,,\n", "bad.csv:2: id: expected int, found 'one'"),
    ],
)
def test_a_file_that_is_no_edit_is_refused(
    shop: Callable[[], Context], tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "bad.csv").write_text(text)
    with shop() as context:
        with pytest.raises(UsageError, match=message):
            Quarantine(context, "sales").replay(tmp_path / "bad.csv")
        assert context.ledger.latest("replay", subject="sales") is None


def test_a_source_that_is_not_there(shop: Callable[[], Context]) -> None:
    with shop() as context, pytest.raises(UsageError, match="no source 'sale' \\(did you mean 'sales'"):
        Quarantine(context, "sale")
