"""The suites pass on real data, and what they quarantine is what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from perdure.core.config import Pipeline
from perdure.core.interval import Interval
from perdure.quality import suites
from perdure.steps.validate import validate

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# The months with the worst weather, the oddest flight, and the hour that the clock shows twice; a day with a gap.
CASES = [
    ("flights", "schedule", "2013-07", {"2013-07-27-US-1632-EWR"}),  # EWR to LGA: 17 miles
    ("flights", "actuals", "2013-02", set()),
    ("flights", "weather", "2013-02", {"2013-02-12 03"}),  # a wind of 1,048 mph
    ("flights", "weather", "2013-11", set()),
    ("flights", "planes", "2013-01", set()),
    ("buoy", "moments", "2016-07-08", set()),
    ("buoy", "readings", "2016-07-08", set()),
]


@pytest.mark.parametrize(("name", "source", "label", "refused"), CASES)
def test_real_data_pass_but_for_what_is_wrong_with_them(
    name: str, source: str, label: str, refused: set[str],
    table: Callable[..., DataFrame], pipelines: dict[str, Pipeline],
) -> None:
    from pyspark.sql import functions as F

    pipeline = pipelines[name]
    file = pipeline.suite_file(source)
    assert file is not None
    rows = table(name, source, label)
    raw = rows.select("*", *(F.lit(None).cast("string").alias(c) for c in ("_file", "_line", "_record", "_reject")))
    result = validate(
        raw, source=source, config=pipeline.sources[source], suite=suites.read(file),
        interval=Interval.parse(label, pipeline.interval),
    )
    assert result.gate is not None
    assert result.gate.passed, "\n".join(map(str, result.gate.lines))
    named = F.col("local_hour") if source == "weather" else F.col(rows.columns[0])
    assert {row[0] for row in result.writes[1].rows.select(named).collect()} == refused
    assert result.facts["quarantined"] == len(refused)
    assert result.facts["rows_in"] == result.facts["good"] + len(refused) + result.facts["duplicates"]
