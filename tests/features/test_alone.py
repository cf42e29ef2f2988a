"""How far one feature alone tells the label: exact cases by hand, and rows on Spark."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from perdure.features.alone import Cell, alone, shares

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def cells(learnt: dict[tuple[int, int], int], judged: dict[tuple[int, int], int]) -> list[Cell]:
    """One feature's cells, from (bin, label) to rows."""
    return [Cell("f", place, judging, label, rows) for judging, found in ((False, learnt), (True, judged))
            for (place, label), rows in found.items()]


def test_what_gives_a_class_and_what_says_nothing() -> None:
    gives = {(0, 0): 80, (1, 1): 20}
    assert shares(cells(gives, gives), "binary") == {"f": 1.0}
    nothing = {(0, 0): 40, (0, 1): 10, (1, 0): 40, (1, 1): 10}
    assert shares(cells(nothing, nothing), "binary") == {"f": 0.0}


def test_a_gini_by_hand() -> None:
    """AUC: of 10 * 10 pairs 64 in order, 32 equal, 4 in the wrong one: 0.8, so 0.6."""
    found = {(0, 0): 8, (0, 1): 2, (1, 0): 2, (1, 1): 8}
    assert shares(cells(found, found), "binary")["f"] == pytest.approx(0.6)


def test_many_bins_do_not_flatter() -> None:
    """A bin a row: learnt by heart, and worth nothing on the rows that judge."""
    chance = random.Random(3)
    learnt = {(place, chance.randrange(2)): 1 for place in range(400)}
    judged = {(place, chance.randrange(2)): 1 for place in range(400)}
    assert shares(cells(learnt, judged), "binary")["f"] < 0.2


def test_numbers_by_their_ranks_and_classes_one_by_one() -> None:
    same = {(place, place): 5 for place in range(10)}
    assert shares(cells(same, same), "regression") == {"f": 1.0}
    assert shares(cells(same, same), "multiclass") == {"f": 1.0}
    half = {(0, 0): 10, (1, 1): 10, (1, 2): 10}  # class 0 by 1; 1 and 2 each by 0.5 against the rest
    assert shares(cells(half, half), "multiclass")["f"] == pytest.approx((1 + 0.5 + 0.5) / 3)


def test_without_rows_on_both_sides_nothing_is_said() -> None:
    assert shares(cells({(0, 0): 3, (1, 1): 3}, {}), "binary") == {}
    assert shares(cells({(0, 0): 3, (1, 1): 3}, {(0, 0): 4}), "binary") == {}


def test_a_feature_made_with_the_label_leads(spark: SparkSession) -> None:
    """A delay that the label is a threshold of, rare as it is; one that is only near; a text; noise with gaps."""
    noise = "pmod(xxhash64(id, 5), 1000) / 1000D"
    delay = "pmod(xxhash64(id, 1), 10000) / 100D"
    rows = spark.range(0, 4000, 1, 2).selectExpr(
        "CAST(" + delay + " > 96 AS DOUBLE) AS label", "id >= 3000 AS _judging", f"{delay} AS delay",
        f"{delay} + 60 * {noise} AS near", f"IF(id % 7 = 0, NULL, {noise}) AS noise",
        f"IF({delay} > 96, 'late', IF(id % 2 = 0, 'a', 'b')) AS `the word`")
    numbers = {name: name for name in ("delay", "near", "noise")}
    texts = {"the word": ("`the word`", ("a", "b", "late"))}
    found = alone(rows, numbers, texts, task="binary")
    assert list(found)[:2] == ["the word", "delay"]
    assert found["the word"] == 1
    assert found["delay"] > 0.97
    assert 0.5 < found["near"] < 0.95
    assert found["noise"] < 0.2
    numeric = alone(rows.withColumn("label", rows["delay"] * rows["delay"] * rows["delay"]), numbers, {},
                    task="regression")
    assert numeric["delay"] > 0.95
    assert numeric["near"] < 0.9
    assert numeric["noise"] < 0.1
