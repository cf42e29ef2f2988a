"""The picture that goes with a notice."""

from __future__ import annotations

from dataclasses import replace

from perdure.report.data import PipelineFacts, ReportData
from perdure.report.picture import picture

PNG = b"\x89PNG\r\n\x1a\n"


def size(found: bytes) -> tuple[int, int]:
    """Width and height, from the PNG's own header."""
    assert found.startswith(PNG)
    return int.from_bytes(found[16:20], "big"), int.from_bytes(found[20:24], "big")


def test_drift_and_performance_are_drawn(year: ReportData) -> None:
    for drift in (True, False):
        found = picture(year, drift=drift)
        assert found is not None
        width, height = size(found)
        assert 600 < width < 4000
        assert 300 < height < 3000
        assert len(found) < 400_000


def test_without_drift_the_metric_is_drawn(year: ReportData) -> None:
    assert picture(replace(year, drift=()), drift=True) is not None


def test_nothing_to_draw() -> None:
    empty = ReportData(PipelineFacts("empty"), "2021-01-01T00:00:00Z")
    assert picture(empty, drift=True) is None
    assert picture(empty, drift=False) is None
