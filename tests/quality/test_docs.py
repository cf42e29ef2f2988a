"""Data Docs: one page a validation, an index, nothing from the net; in Chromium, where it is, without an error."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from perdure.quality.docs import Validated, write_site
from perdure.quality.validation import validate

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SUITE = {"name": "sales", "expectations": [
    {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}},
    {"type": "expect_column_values_to_be_between", "kwargs": {"column": "id", "min_value": 0, "max_value": 3}},
    {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "id"}, "severity": "warning"},
    {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "gone"}},
    {"type": "expect_what_nobody_knows", "kwargs": {"column": "id"}},
    {"type": "expect_column_quantile_values_to_be_between", "kwargs": {"column": "id", "quantile_ranges": {
        "quantiles": [0.5], "value_ranges": [[0, 4]]}}},
    {"type": "expect_column_values_to_be_in_set", "kwargs": {
        "column": "<b>&", "value_set": ["<script>alert(1)</script>"]}},
]}  # fmt: skip


@pytest.fixture(scope="module")
def site(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of two intervals, one without a failure."""
    rows = spark.range(5).selectExpr("id", "'<i>' AS `<b>&`")
    bad = json.loads(json.dumps(validate(rows, SUITE).result))
    good = json.loads(json.dumps(validate(rows, {**SUITE, "expectations": SUITE["expectations"][:1]}).result))
    found = [Validated("sales", "2024-01", "2024-02-01T00:00:00+00:00", "a" * 64, bad),
             Validated("sales", "2024-02", "2024-03-01T00:00:00+00:00", "b" * 64, good),
             Validated("other/odd", "2024-02", "2024-03-01T00:00:00+00:00", "c" * 64, good)]  # fmt: skip
    folder = tmp_path_factory.mktemp("docs")
    assert write_site("shop", found, folder) == folder / "index.html"
    return folder


def pages(site: Path) -> list[Path]:
    return sorted(site.rglob("*.html"))


def test_nothing_comes_from_the_net(site: Path) -> None:
    assert len(pages(site)) == 4
    for page in pages(site):
        text = page.read_text()
        loaded = re.findall(r'<(?:link|script|img|source)[^>]*(?:href|src)="([^"]*)"', text)
        loaded += re.findall(r"url\(([^)]*)", text)
        assert loaded
        for target in loaded:
            assert target.startswith("data:") or (page.parent / target).resolve().is_file(), target


def test_links_lead_to_pages(site: Path) -> None:
    index = (site / "index.html").read_text()
    links = re.findall(r'<a href="(validations[^"]*)"', index)
    assert len(links) == 3
    assert all((site / link).is_file() for link in links)


def test_every_rule_is_there_broken_ones_too_and_nothing_is_run(site: Path) -> None:
    text = next(page for page in pages(site) if "aaaa" in page.name).read_text()
    for words in ("greater than or equal to", "gone", "expect_what_nobody_knows"):
        assert words in text, words
    assert "<script>alert" not in text
    assert "<b>&" not in text


def test_a_page_that_is_there_is_left_alone(site: Path) -> None:
    page = next(page for page in pages(site) if "aaaa" in page.name)
    before = page.stat().st_mtime_ns
    result: Any = {"success": False, "statistics": {"successful_expectations": 0, "evaluated_expectations": 1}}
    write_site("shop", [Validated("sales", "2024-01", "x", "a" * 64, result)], page.parents[2])
    assert page.stat().st_mtime_ns == before


@pytest.mark.skipif(shutil.which("chromium") is None, reason="Chromium isn't installed")
def test_a_browser_without_a_network_shows_it(site: Path, tmp_path: Path) -> None:
    page = next(page for page in pages(site) if "aaaa" in page.name)
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
               "--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND", "--window-size=1400,1000",
               f"--user-data-dir={tmp_path}/user", "--virtual-time-budget=4000", "--enable-logging=stderr"]  # fmt: skip
    command += ["--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "CONSOLE" not in done.stderr, done.stderr
    assert "fa-times" in done.stdout
