from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

import perdure
from perdure.core.gate import GateLine, GateResult
from perdure.report.data import (
    Champion,
    Comparison,
    Decision,
    Distribution,
    Drift,
    Importance,
    Performance,
    PipelineFacts,
    ReportData,
    Together,
    Told,
    ToldBin,
    ToldSlice,
    Trial,
    Unusual,
)
from perdure.report.render import render, to_json, to_markdown

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}|`url(http://evil.example)`&amp;\u2028"
VOID = {"meta", "br", "img", "input", "link", "hr"}


class Page(HTMLParser):
    """A page's elements, ids, links and text; raises when tags aren't balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def a_long_history() -> ReportData:
    """Three years of days: 30 features, 10 slices, a training every week, something unusual every day."""
    days = [(date(2020, 1, 1) + timedelta(days=n)).isoformat() for n in range(1096)]
    slices = [None, *(("region", f"region {n}") for n in range(10))]
    psi = "population_stability_index"
    bins = tuple(float(n) for n in range(31))
    gate = GateResult("evaluate", (GateLine("log_loss", True, "0.5", "at most 0.6"),))
    return ReportData(
        PipelineFacts("busy", sources=tuple(f"source_{n}" for n in range(8))),
        "2021-01-01T00:00:00Z",
        champions=tuple(Champion(str(n), day) for n, day in enumerate(days[::7])),
        performance=tuple(
            Performance(day, metric, kind, 0.5, str(n // 7), part, 0.4, 0.6, 1000, 1.0)
            for n, day in enumerate(days)
            for metric in ("log_loss", "area_under_roc", "brier")
            for kind in ("expected", "realised")
            for part in slices
        ),
        drift=tuple(Drift(day, f"feature_{n}", {psi: n / 50}) for day in days for n in range(30)),
        distributions=tuple(Distribution(f"feature_{n}", days[-1], bins, (1.0,) * 30, (2.0,) * 30) for n in range(30)),
        importance=tuple(Importance(f"feature_{n}", 1 / 30) for n in range(30)),
        unusual=tuple(Unusual(day, "source_1", "price", "mean", 1.0, 2.0, 3.0) for day in days),
        together=tuple(Together(day, n / 100, 1.0, 5.0, n > 500) for n, day in enumerate(days)),
        told=tuple(
            Told(days[-1], f"feature_{n}", 1 / 30, n / 50, 1 / 8, (ToldBin("1 to 2", 0.1, 0.5, 0.9),) * 3,
                 (ToldSlice("region", "region 1", 100, 0.5, 0.5, ToldBin("1 to 2", 0.1, 0.5, 0.9)),) * 4)
            for n in range(8)
        ),
        trials=tuple(Trial(day, n, "gbt", {"depth": n}, 0.5, 1.0) for day in days[::7] for n in range(50)),
        comparisons=tuple(
            Comparison(day, str(n), None, {"log_loss": (0.5, None)}, gate) for n, day in enumerate(days[::7])
        ),
        decisions=tuple(
            Decision(day, "retrain", "train" if n % 7 == 0 else "keep", "drift " * 20, {"psi": 0.3})
            for n, day in enumerate(days)
        ),
    )


def test_the_page_tells_the_year(page: str) -> None:
    text = Page(page).text
    for words in (
        "The model is no longer as good as it should be.",
        "In Dec 2013 its log loss was 0.583, against 0.476 on held-out rows before it went live: 22% worse.",
        "336,776 335,811 965 0.3%",
        "tailnum is empty 965",
        "asked 9 times, yes 4 times",
        "May 2013 v1 0.482 0.487 0.480 to 0.494 0.703 28,736 97%",
        "refused",
        "beats the champion in log_loss",
        "Keep the model 2 times; the last reason:",
        "./spark-submit.sh jobs/reproduce.py pipelines/flights.yml 4",
    ):
        assert words in text, words


def test_the_page_needs_nothing_from_anywhere(page: str) -> None:
    for tag, attributes in Page(page).elements:
        assert tag not in {"script", "link", "iframe", "object", "embed", "image", "use", "base", "form"}
        for name, value in attributes.items():
            assert name not in {"src", "srcset", "action", "xlink:href"}, (tag, name)
            assert not name.startswith("on"), (tag, name)
            assert name != "href" or (value or "").startswith("#"), (tag, value)
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert "default-src 'none'" in page


def test_every_anchor_and_term_has_its_place(page: str) -> None:
    elements = Page(page).elements
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in elements:
        for name in ("href", "popovertarget", "aria-labelledby"):
            if name in attributes:
                assert (attributes[name] or "").lstrip("#") in ids, attributes


def test_charts_have_words_for_those_who_cannot_see_them(page: str) -> None:
    charts = [attributes for _, attributes in Page(page).elements if "chart" in (attributes.get("class") or "").split()]
    assert len(charts) == 2 * 6 + 5
    assert all(chart["role"] == "img" and len(chart["aria-label"] or "") > 20 for chart in charts)
    assert len(re.findall(r"<svg ", page)) == len(re.findall(r"<svg [^>]*aria-hidden", page)) + len(charts)


def test_charts_take_their_colours_from_the_page(page: str) -> None:
    drawn = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    assert set(re.findall(r'(?:fill|stroke)="([^"]*)"', drawn)) <= {
        "none",
        "transparent",
        "var(--ink)",
        "var(--muted)",
        "var(--rule)",
        "var(--surface)",
        "var(--bad)",
        "var(--then)",
        *(f"var(--c{n})" for n in range(1, 6)),
    }
    assert ">Aug</text>" in drawn, "text stays text"


def test_equal_data_make_an_equal_page(year: ReportData, page: str) -> None:
    assert render(year) == page
    assert to_json(year) == to_json(year)


def test_hostile_names_stay_text(year: ReportData) -> None:
    gate = GateResult(HOSTILE, (GateLine(HOSTILE, False, HOSTILE, HOSTILE),))
    runs = tuple(
        replace(
            run,
            subject=HOSTILE,
            outputs=(),
            facts={
                "result": {
                    "results": [
                        {
                            "expectation_config": {"type": HOSTILE, "kwargs": {"column": HOSTILE}},
                            "result": {"unexpected_count": 3},
                        }
                    ]
                }
            },
        )
        for run in year.runs
        if run.step == "validate"
    )
    data = replace(
        year,
        pipeline=replace(
            year.pipeline,
            name=HOSTILE,
            description=HOSTILE,
            target=HOSTILE,
            sources=(HOSTILE,),
            interval=HOSTILE,
            commands=((HOSTILE, HOSTILE),),
            drift_statistic=HOSTILE,
            metric=HOSTILE,
        ),
        generated_at=HOSTILE,
        runs=runs,
        champions=(Champion(HOSTILE, "2013-05"),),
        performance=tuple(
            replace(row, metric=HOSTILE, model_version=HOSTILE, slice=(HOSTILE, HOSTILE) if row.slice else None)
            for row in year.performance
        ),
        drift=tuple(replace(row, column=HOSTILE, statistics={HOSTILE: 0.5}) for row in year.drift),
        distributions=(Distribution(HOSTILE, "2013-12", (HOSTILE, "b"), (1.0, 2.0), (2.0, 1.0)),),
        importance=(Importance(HOSTILE, 0.5),),
        trials=tuple(replace(trial, family=HOSTILE, params={HOSTILE: HOSTILE}) for trial in year.trials),
        comparisons=(Comparison("2013-09", HOSTILE, HOSTILE, {HOSTILE: (0.1, 0.2)}, gate),),
        decisions=(Decision("2013-09", HOSTILE, HOSTILE, HOSTILE, {HOSTILE: HOSTILE}, HOSTILE),),
    )
    text = render(data)
    test_the_page_needs_nothing_from_anywhere(text)
    assert not re.search("<(?:script|img)", text)
    assert "{{7*7}}" in text
    outside_code = re.sub(r"(?<!\\)`[^`\n]*`", "", to_markdown(data))
    assert not re.search("<(?:script|img)", outside_code)
    assert json.loads(to_json(data))["pipeline"]["name"] == HOSTILE


EMPTY = ReportData(PipelineFacts("new"), "2026-01-01T00:00:00Z")
ONE = Performance("2013-01", "log_loss", "realised", 0.5, "1", None, 0.4, 0.6, 10, 1.0)
REFUSED = GateResult("evaluate", (GateLine("log_loss", False, "0.7", "at most 0.6"),))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (EMPTY, ["Nothing has run yet.", "No model has been trained yet.", "No data has been checked yet."]),
        (
            replace(
                EMPTY,
                pipeline=PipelineFacts("new", sources=("a",)),
                champions=(Champion("1", "2013-01"),),
                performance=(ONE,),
            ),
            ["The model is holding up.", "v1", "expected: no estimate yet"],
        ),
        (
            replace(
                EMPTY, champions=(Champion("1", "2013-01"),), performance=(replace(ONE, kind="expected", coverage=0.0),)
            ),
            ["too early to tell", "realised: no outcomes yet"],
        ),
        (
            replace(
                EMPTY,
                comparisons=(Comparison("2013-01", "1", None, {"log_loss": (0.7, None)}, REFUSED),),
                trials=(Trial("2013-01", 1, "gbt", {}, None),),
                decisions=(Decision("2013-01", "deploy", "refuse", "too bad", {}, "1"),),
            ),
            ["No model serves yet.", "1 candidate was trained and refused", "failed"],
        ),
        (
            replace(EMPTY, champions=(Champion("1", "2013-01"),), performance=(replace(ONE, value=None),)),
            ["too early to tell", "No estimate and no outcomes yet."],
        ),
        (replace(EMPTY, drift=(Drift("2013-01", "a", {"population_stability_index": 0.5}),)), ["0.50"]),
        (replace(EMPTY, distributions=(Distribution("a", "2013-01", (), (), ()),)), ["Nothing to compare yet."]),
        (replace(EMPTY, distributions=(Distribution("a", "2013-01", (0.0,), (), ()),)), ["Nothing to compare yet."]),
    ],
    ids=[
        "nothing",
        "one interval",
        "no outcomes",
        "all refused",
        "no value",
        "drift alone",
        "no categories",
        "no bins",
    ],
)
def test_what_is_missing_is_said(data: ReportData, says: list[str]) -> None:
    text = Page(render(data)).text
    for words in says:
        assert words in text, words
    assert "None" not in text
    assert to_markdown(data)
    json.loads(to_json(data))


def test_a_long_history_stays_small_and_quick(year: ReportData) -> None:
    render(year)
    data = a_long_history()
    begin = time.process_time()
    text = render(data)
    assert time.process_time() - begin < 20
    assert len(text.encode()) < 1_000_000
    assert len(to_markdown(data)) < 300_000
    assert "put 19 intervals together" in Page(text).text
    assert "earlier trainings are not shown" in text


def test_markdown_tables_are_whole(year: ReportData) -> None:
    text = to_markdown(year)
    width = 0
    for line in text.splitlines():
        bars = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
        assert not bars or not width or bars == width, line
        width = bars
    for words in (
        "**The model is no longer as good as it should be.**",
        "| Dec 2013 | 4 | 0.547 | 0.583 |",
        "| temp | **0.3",
        "✗ beats the champion in log\\_loss",
    ):
        assert words in text, words


def test_json_has_the_pages_numbers(year: ReportData) -> None:
    found = json.loads(to_json(year))
    assert found["verdict"]["status"] == "bad"
    assert found["metrics"][0]["realised"][-1]["value"] == 0.583
    assert found["drift"]["rows"][0]["column"] == "carrier_late_7d"  # drift times weight
    assert found["quality"][0]["quarantined"] == 965


def test_it_renders_from_a_zip_as_executors_and_drivers_get_it(tmp_path: Path) -> None:
    package = Path(perdure.__file__).parent
    archive = tmp_path / "perdure.zip"
    with zipfile.ZipFile(archive, "w") as target:
        for file in sorted(package.rglob("*")):
            if (
                file.is_file()
                and file.suffix != ".pyc"
                and file.parts[len(package.parts)] in ("__init__.py", "core", "report")
            ):
                target.write(file, str(Path("perdure") / file.relative_to(package)))
    code = (
        "from perdure.report.data import ReportData, PipelineFacts; from perdure.report.render import render;"
        "import sys;"
        "print(len(render(ReportData(PipelineFacts('p'), ''))));"
        "assert 'perdure.zip' in sys.modules['perdure'].__file__;"
        "assert not {'pyspark', 'mlflow', 'pandas', 'altair'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(archive)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10_000


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs the chromium browser")
@pytest.mark.parametrize("width", [390, 1400])
def test_nothing_is_wider_than_the_window(page: str, width: int, tmp_path: Path) -> None:
    # Headless Chromium's own window is never narrower than 500 px, so the page is measured in a frame.
    (tmp_path / "page.html").write_text(page.replace("default-src 'none';", ""), encoding="utf-8")
    (tmp_path / "frame.html").write_text(
        f"<iframe id=f src=page.html style='border:0;width:{width}px;height:900px'></iframe><script>"
        "f.onload = () => {const d = f.contentDocument; d.querySelectorAll('details').forEach(e => e.open = true);"
        "document.title = 'measured ' + d.scrollingElement.scrollWidth + ' of ' + f.contentWindow.innerWidth}</script>",
        encoding="utf-8",
    )
    done = subprocess.run(
        [
            "chromium",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--no-first-run",
            "--disable-background-networking",
            "--allow-file-access-from-files",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--virtual-time-budget=3000",
            "--window-size=1600,1000",
            "--dump-dom",
            f"file://{tmp_path / 'frame.html'}",
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert f"measured {width} of {width}" in done.stdout
