"""Whose rows a key names: by its column, or in the text of rows that couldn't be parsed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from perdure.core.errors import UsageError
from perdure.run.erase import _mine, erase

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROWS = [(1, "a.7", None), (2, "a.77", None), (3, None, "x,a.7,broken"), (4, None, "x,a.77,broken"),
        (5, None, "xa.7"), (6, None, 'he said "a.7"'), (7, None, "abc7"), (8, None, None), (9, None, "-a.7-")]


def test_the_key_is_a_word_and_not_a_part_of_one(spark: SparkSession) -> None:
    rows = spark.createDataFrame(ROWS, "id int, person string, _record string")
    found = {key: [row["id"] for row in rows.where(_mine(rows, "person", key)).orderBy("id").collect()]
             for key in ("a.7", "7", r"a\E.7")}
    assert found == {"a.7": [1, 3, 6], "7": [], r"a\E.7": []}


@pytest.mark.parametrize("key", ["", "  "])
def test_an_empty_key_is_nobodys(key: str) -> None:
    nothing: Any = None
    with pytest.raises(UsageError, match="--key must name whose rows"):
        erase(nothing, key, None, apply=True)
