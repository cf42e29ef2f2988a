from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.core import pipeline_file
from perdure.core.errors import PerdureError, PipelineFileError, UsageError
from perdure.core.space import Choice, Integer, LogUniform, Uniform

ROOT = Path(__file__).parents[2]
GOOD = """\
pipeline: shop
targets:
  local: {storage: .data, tracking: "sqlite:///.data/m.db", default: true}
  blind: {extends: local, storage: .data/blind, retrain: {when: never}}
interval: 1 day
start: 2024-01-01
sources:
  orders:
    format: csv
    path: orders/{interval}.csv
    schema: {id: string, at: timestamp, amount: double, late: boolean}
    key: [id]
    event_time: at
    available_after: 1 day
    expectations: orders.json
features: {sql: features.sql, key: id, event_time: at}
label: {column: late, from: orders}
model: {task: binary, families: [logistic_regression]}
train: {window: 30 days, holdout: 7 days}
retrain: {when: {any: [{age: 30 days}, {drift: population_stability_index, above: 0.2}]}}
"""
SUITE = {
    "name": "orders",
    "expectations": [{"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "id"}}],
}


def write(folder: Path, text: str, sql: str = "SELECT id, at, amount FROM orders") -> Path:
    (folder / "setup.cfg").touch()
    (folder / "features.sql").write_text(sql)
    (folder / "orders.json").write_text(json.dumps(SUITE))
    (folder / "shop.yml").write_text(text)
    return folder / "shop.yml"


def problems(folder: Path, text: str, sql: str = "SELECT id, at, amount FROM orders") -> list[str]:
    with pytest.raises(PipelineFileError) as caught:
        pipeline_file.load(write(folder, text, sql))
    assert caught.value.exit_code == 2
    return [problem.removeprefix(f"{folder}/") for problem in caught.value.problems]


def test_a_good_file_loads(tmp_path: Path) -> None:
    pipeline = pipeline_file.load(write(tmp_path, GOOD))
    assert pipeline.target == "local"
    assert pipeline.root == tmp_path
    assert str(pipeline.sources["orders"].available_after) == "1 day"
    assert pipeline.metric == "log_loss"


def test_a_target_overrides_sections(tmp_path: Path) -> None:
    blind = pipeline_file.load(write(tmp_path, GOOD), "blind")
    assert blind.retrain.when == "never"
    assert blind.place.tracking == "sqlite:///.data/m.db"
    assert blind.place.storage == ".data/blind"


def test_all_problems_at_once_with_line_and_nearest_name(tmp_path: Path) -> None:
    text = GOOD.replace("interval: 1 day", "intervall: 1 day").replace("families: [logistic", "familys: [logistic")
    found = problems(tmp_path, text.replace("amount: double", "amount: dubble"))
    assert any(p.startswith("shop.yml:5: unknown key 'intervall' (did you mean 'interval'?)") for p in found)
    assert any("'interval' is missing" in p for p in found)
    assert any(p.startswith("shop.yml:18: unknown key 'model.familys' (did you mean 'families'?)") for p in found)
    assert any(p.startswith("shop.yml:11: ") and "did you mean 'double'" in p for p in found)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("key: [id]", "key: [idd]", "shop.yml:12: key: no column 'idd' (did you mean 'id'?)"),
        ("event_time: at\n    av", "event_time: amount\n    av", "shop.yml:13: event_time: expected a timestamp"),
        ("from: orders", "from: order", "shop.yml:17: no source 'order' (did you mean 'orders'?)"),
        ("column: late", "column: lat", "shop.yml:17: no column 'lat' in source 'orders' (did you mean 'late'?)"),
        ("format: csv", "format: cvs", "shop.yml:9: unknown format 'cvs' (did you mean 'csv'?)"),
        ("[logistic_regression]", "[logistic]", "shop.yml:18: unknown model family 'logistic'"),
        ("expectations: orders.json", "expectations: order.json", "shop.yml:15: file not found"),
        ("sql: features.sql", "sql: feature.sql", "shop.yml:16: file not found: feature.sql"),
        ("task: binary", "task: regression, decision: {}", "shop.yml:18: model.decision is for a binary"),
        ("window: 30 days", "window: thirty days", "shop.yml:19: 'train.window': expected a duration"),
        ("{age: 30 days}", "{aged: 30 days}", "expected a condition: one of drift, realised"),
        ("above: 0.2", "above: high", "shop.yml:20: 'retrain.when.any.1.above': "),
        ("population_stability_index", "psi", "shop.yml:20: unknown drift statistic 'psi'"),
        ("holdout: 7 days", "holdout: 2 months", "the holdout (2 months) must be shorter than the window"),
        ("extends: local", "extends: blind", "shop.yml:4: cyclic reference: blind -> blind"),
        ("interval: 1 day", "interval: &x [*x]", "a cyclic reference"),
        ("interval: 1 day", "interval: 1 day\ninterval: 2 days", "'interval' stands here and again on line 6"),
        ("default: true", "default: false", "expected exactly one target with 'default: true'"),
        ("pipeline: shop", "pipeline: [", "expected YAML"),
    ],
)
def test_one_problem(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in GOOD
    found = problems(tmp_path, GOOD.replace(old, new))
    assert any(expected in problem for problem in found), found


def test_sql_that_reads_what_is_not_there(tmp_path: Path) -> None:
    assert (
        "reads 'order', which is neither a source nor a view (did you mean 'orders'?)"
        in problems(tmp_path, GOOD, "SELECT * FROM order")[0]
    )


def test_views_in_a_circle(tmp_path: Path) -> None:
    text = GOOD.replace("features: {", "features: {views: {a: a.sql, b: b.sql}, ")
    (tmp_path / "a.sql").write_text("SELECT * FROM b")
    (tmp_path / "b.sql").write_text("SELECT * FROM a")
    assert any("cyclic reference" in problem for problem in problems(tmp_path, text))


def test_a_suite_that_names_no_column(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    suite = {"name": "x", "expectations": [{"type": "expect_column_to_exist", "kwargs": {"column": "amounts"}}]}
    (tmp_path / "orders.json").write_text(json.dumps(suite))
    with pytest.raises(PipelineFileError, match="no column 'amounts' \\(did you mean 'amount'"):
        pipeline_file.load(path)


def test_an_unknown_target_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'local'"):
        pipeline_file.load(write(tmp_path, GOOD), "locl")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(PipelineFileError, match="expected a readable UTF-8 pipeline file"):
        pipeline_file.load(tmp_path / "none.yml")


def test_secrets_come_from_the_environment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", "hush")
    assert pipeline_file.resolve_secrets("jdbc://u:${env:SHOP_PASSWORD}@h") == "jdbc://u:hush@h"
    with pytest.raises(UsageError, match="SHOP_USER, which isn't set"):
        pipeline_file.resolve_secrets("${env:SHOP_USER}")


def test_the_shipped_json_schema_is_current() -> None:
    shipped = json.loads((ROOT / "docs" / "pipeline.schema.json").read_text())
    assert shipped == pipeline_file.json_schema(), "write it anew: PYTHONPATH=lib python -m perdure.core.pipeline_file"


def test_the_json_schema_s_defaults_are_what_a_file_may_hold() -> None:
    for section in pipeline_file.json_schema()["$defs"].values():
        for key, field in section.get("properties", {}).items():
            if isinstance(field.get("default"), str) and "pattern" in field:
                assert re.fullmatch(field["pattern"], field["default"]), key
            assert field.get("type") != "string" or isinstance(field.get("default", ""), str), key


@settings(max_examples=150)
@given(st.data())
def test_no_edit_of_a_file_ends_in_anything_but_a_clear_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    lines = GOOD.splitlines()
    at = data.draw(st.integers(0, len(lines) - 1))
    kind = data.draw(st.sampled_from(["drop", "text", "cut", "swap"]))
    if kind == "drop":
        del lines[at]
    elif kind == "swap":
        other = data.draw(st.integers(0, len(lines) - 1))
        lines[at], lines[other] = lines[other], lines[at]
    elif kind == "cut":
        lines[at] = lines[at][: data.draw(st.integers(0, len(lines[at])))]
    else:
        name = lines[at].split(":")[0]
        lines[at] = f"{name}: {data.draw(st.text(max_size=12))}"
    folder = tmp_path_factory.mktemp("fuzz")
    try:
        pipeline_file.load(write_raw(folder, "\n".join(lines)))
        message = "fine"
    except PerdureError as error:
        message = str(error)
    assert message


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.dates()
    | st.sampled_from(["csv", "delta", "1 day", "id", "${env:HOME}", "../x", "\0", "=1+1", "local", "!!binary x"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def places(value: object, here: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    """The path of every value in a document."""
    items: list[tuple[object, object]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    return [here] * bool(here) + [path for key, inner in items for path in places(inner, (*here, key))]


@settings(max_examples=200)
@given(st.data())
def test_no_value_in_any_place_ends_in_anything_but_a_clear_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    document = yaml.safe_load(GOOD)
    *above, last = data.draw(st.sampled_from(places(document)))
    inner = document
    for key in above:
        inner = inner[key]
    inner[last] = data.draw(VALUES)
    path = write_raw(tmp_path_factory.mktemp("fuzz"), yaml.safe_dump(document, allow_unicode=True))
    try:
        pipeline_file.load(path)
        problems = ("shop.yml:1: fine",)
    except PipelineFileError as error:
        problems = error.problems
    except PerdureError as error:
        problems = (f"shop.yml:1: {error}",)
    assert problems
    assert all("shop.yml:" in problem for problem in problems)


@settings(max_examples=100)
@given(st.text() | st.sampled_from(["!!python/object:os.system x", "a: &a [*a]", "? {a: b}\n: c", "<<: *x",
                                    "a: !!binary \"?\"", "{" * 3000, "[" * 3000,
                                    "a: 2013-02-30", "a: 0x", "a: 1_0:99.1"]))  # fmt: skip
def test_no_text_at_all_ends_in_anything_but_a_clear_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = write_raw(tmp_path_factory.mktemp("fuzz"), text)
    with pytest.raises(PipelineFileError) as caught:
        pipeline_file.load(path)
    assert all(problem.startswith(str(path)) for problem in caught.value.problems)


def write_raw(folder: Path, text: str) -> Path:
    path = write(folder, "")
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    return path


def test_a_search_space_is_read(tmp_path: Path) -> None:
    space = ("{logistic_regression: {regParam: {log_uniform: [0.001, 1], first: 0.1}, "
             "elasticNetParam: {uniform: [0, 1]}, maxIter: {integer: [10, 50, 10]}, fitIntercept: {choice: [true]}}}")
    text = GOOD.replace("families: [logistic_regression]", f"families: [logistic_regression], tune: {{space: {space}}}")
    assert pipeline_file.load(write(tmp_path, text)).model.tune.dimensions("logistic_regression") == {
        "regParam": LogUniform(0.001, 1, first=0.1), "elasticNetParam": Uniform(0, 1), "maxIter": Integer(10, 50, 10),
        "fitIntercept": Choice((True,))}


@pytest.mark.parametrize(("given", "told"), [
    ("{gbt: {maxDepth: {integer: [3, 8]}}}", "no family 'gbt' in model.families"),
    ("{logistic_regression: {regParam: {uniform: [1, 0]}}}", "uniform: expected the smaller number first"),
    ("{logistic_regression: {regParam: {log_uniform: [0, 1]}}}", "log_uniform: expected numbers above 0"),
    ("{logistic_regression: {maxIter: {integer: [3, 8, 0]}}}", "integer: expected numbers at least 1 apart"),
    ("{logistic_regression: {maxIter: {}}}", "expected one of uniform, log_uniform, integer and choice"),
    ("{logistic_regression: {maxIter: {integer: [3, 8], choice: [4]}}}", "found integer, choice"),
    ("{logistic_regression: {maxIter: {integer: [3, 9, 2], first: 4}}}", "first: expected one of integer: [3, 9, 2]"),
    ("{logistic_regression: {regParam: {uniform: [0, 1], first: yes}}}", "first: expected one of uniform"),
    ("{logistic_regression: {maxIter: {integers: [3, 8]}}}", "did you mean 'integer'"),
])
def test_a_wrong_search_space_is_told(tmp_path: Path, given: str, told: str) -> None:
    text = GOOD.replace("families: [logistic_regression]", f"families: [logistic_regression], tune: {{space: {given}}}")
    (problem,) = problems(tmp_path, text)
    assert told in problem
    assert problem.startswith("shop.yml:")


def test_a_family_must_do_the_task(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, GOOD.replace("[logistic_regression]", "[linear_regression]"))
    assert "the model family 'linear_regression' does regression; this task is binary" in problem


def test_a_check_that_retrains_must_be_watched(tmp_path: Path) -> None:
    text = GOOD.replace("{age: 30 days}", "{together: domain_classifier}")
    (problem,) = problems(tmp_path, text)
    assert "'domain_classifier' isn't watched: add monitor: {domain_classifier: true}" in problem
    watched = pipeline_file.load(write(tmp_path, text + "monitor: {domain_classifier: true}\n"))
    assert watched.monitor.domain_classifier


@pytest.mark.parametrize(("changes", "told"), [
    ({"task: binary": "task: multiclass"}, "a multiclass task, and no other, has 'classes'"),
    ({"from: orders": "from: orders, classes: [a, b]"}, "a multiclass task, and no other, has 'classes'"),
    ({"task: binary": "task: multiclass", "from: orders": "from: orders, classes: [a, b, a]"}, "each named once"),
    ({"task: binary": "task: multiclass", "from: orders": "from: orders, classes: [a, b, c]",
      "\ntrain:": "\nexplain: {reasons: 3}\ntrain:"}, "models of several classes are not explained exactly"),
    ({"\ntrain:": "\ngate: {thresholds: {rmse: 1}}\ntrain:"}, "the metric 'rmse' is for regression; this task is bin"),
])
def test_what_suits_the_task(tmp_path: Path, changes: dict[str, str], told: str) -> None:
    text = GOOD
    for old, new in changes.items():
        text = text.replace(old, new)
    (problem,) = problems(tmp_path, text)
    assert told in problem
