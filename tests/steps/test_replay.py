"""Rows on their way back: the newest edit counts, history adds up, no row is lost or doubled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perdure.core.config import Source
from perdure.steps._rows import FAILURES, row_id
from perdure.steps.replay import mended, replay

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

CONFIG = Source.model_validate({"format": "csv", "path": "{interval}.csv", "schema": {"id": "int", "a b": "string"}})
RAW = "id int, `a b` string, _file string, _line bigint, _record string, _reject string"
ROWS = [(1, "x", "f", 2, None, None), (None, None, "f", 3, "q,y", "id: expected int"), (3, "z", "f", 4, None, None)]


def failed(rule: str) -> Any:
    return [(rule, "id", None, "critical", "0" * 12, f"run of {rule}")]


def noted(spark: SparkSession, turn: int, quarantined: dict[str, str], edits: dict[str, Any] | None) -> DataFrame:
    """What one replay notes: rules by row id, edited values by row id."""
    rows = spark.createDataFrame(
        [(one, failed(rule)) for one, rule in quarantined.items()], f"_id string, _failures {FAILURES}"
    )
    given = None
    if edits is not None:
        values = [(one, *edited) for one, edited in edits.items()]
        given = spark.createDataFrame(values, "_id string, id int, `a b` string")
    (write,) = replay(rows, given, source="s", config=CONFIG, turn=turn).writes
    assert (write.table, write.mode) == ("s_replayed", "append")
    return write.rows


def test_edits_and_histories_add_up(spark: SparkSession) -> None:
    raw = spark.createDataFrame(ROWS, RAW)
    ids = [found[0] for found in raw.select(row_id(CONFIG.columns)).collect()]
    first = noted(spark, 0, {ids[1]: "parse", ids[2]: "between"}, {ids[1]: (2, "y")})
    second = noted(spark, 1, {ids[1]: "unique"}, {ids[1]: (22, None)})
    third = noted(spark, 2, {ids[2]: "between"}, None)
    for turns in ([first, second, third], [third, second, first]):
        together = turns[0].unionByName(turns[1]).unionByName(turns[2])
        rows = sorted(mended(raw, together, CONFIG).collect(), key=lambda row: row["_line"])
        assert [(row["id"], row["a b"]) for row in rows] == [(1, "x"), (22, None), (3, "z")]
        assert not any(row["_reject"] for row in rows)
        assert [row["_id"] for row in rows] == ids
        told = [[one["expectation"] for one in row["_replay_of"] or ()] for row in rows]
        assert told == [[], ["parse", "unique"], ["between"]]
        assert rows[1]["_record"] == "q,y"
        assert rows[0]["_replay_of"] is None


def test_a_row_is_known_by_place_and_content(spark: SparkSession) -> None:
    other = [(1, "x", "f", 9, None, None), (1, "x", "g", 2, None, None), (1, "X", "f", 2, None, None),
             (None, "x", "f", 2, None, None), ROWS[0], ROWS[0]]  # fmt: skip
    rows = spark.createDataFrame([*ROWS, *other], RAW).select(row_id(CONFIG.columns)).collect()
    assert len({row[0] for row in rows}) == len(ROWS) + 4
    assert all(len(row[0]) == 16 for row in rows)


def test_rows_that_are_alike_in_all_are_mended_alike(spark: SparkSession) -> None:
    raw = spark.createDataFrame([ROWS[0], ROWS[0], ROWS[2]], RAW)
    one = raw.select(row_id(CONFIG.columns)).first()
    assert one is not None
    found = mended(raw, noted(spark, 0, {one[0]: "x"}, {one[0]: (7, "n")}), CONFIG).collect()
    assert sorted(row["id"] for row in found) == [3, 7, 7]
