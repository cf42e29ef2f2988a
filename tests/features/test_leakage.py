from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from perdure.core.config import Pipeline
from perdure.core.interval import Duration, Interval
from perdure.features.leakage import rows_that_differ

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Make = Callable[..., Pipeline]
YEAR = Interval.parse("2024", Duration(1, "year"))
CUTS = [datetime(2024, 1, day, 12, tzinfo=timezone.utc) for day in (3, 8)]
LEAKY = """SELECT s.id, s.sold_at, s.price,
  (SELECT count(*) FROM outcomes o WHERE o.shop = s.shop AND o.back AND o.sold_at <= s.sold_at) AS returns,
  avg(price / 3) OVER (PARTITION BY shop ORDER BY sold_at) AS mean
FROM sales s"""


def test_point_in_time_features_do_not_differ(make: Make, sources: dict[str, DataFrame]) -> None:
    found = rows_that_differ(sources, make(), YEAR, CUTS)
    assert [(item.cut, item.compared, item.rows, item.columns) for item in found] == [
        (CUTS[0], 3, 0, {}), (CUTS[1], 8, 0, {})]


def test_an_outcome_used_too_early_shows(make: Make, sources: dict[str, DataFrame]) -> None:
    """Of the outcomes up to the cut, those of its last two days weren't known: sales 2, 3 at the first cut."""
    first, second = rows_that_differ(sources, make(LEAKY), YEAR, CUTS)
    assert first.columns == {"returns": 2}
    assert second.columns == {"returns": 1}
    assert second.rows == 1


def test_a_look_into_the_future_shows(make: Make, sources: dict[str, DataFrame]) -> None:
    pipeline = make("SELECT id, sold_at, lead(price) OVER (ORDER BY sold_at) AS following FROM sales")
    assert [item.columns for item in rows_that_differ(sources, pipeline, YEAR, CUTS)] == [{"following": 1}] * 2


def test_a_row_that_vanishes_shows(make: Make, sources: dict[str, DataFrame]) -> None:
    pipeline = make("SELECT s.id, s.sold_at, price FROM sales s JOIN outcomes USING (id)")
    assert rows_that_differ(sources, pipeline, YEAR, CUTS[:1])[0].columns == {"(row)": 2}
