"""Writes a new pipeline from a sample of the user's data: the file, its SQL and a suite, which run as they are."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perdure.core.config import Task
from perdure.core.errors import UsageError
from perdure.core.identifiers import quoted
from perdure.core.interval import Duration, Interval
from perdure.core.registry import did_you_mean
from perdure.core.section import NAME
from perdure.quality.suggest import KNOWN, LONGEST, MANY, SHAPES, ColumnFacts, Kind, entries, shape

if TYPE_CHECKING:
    import pandas as pd

ROWS = 50_000
"""Rows of the sample that are looked at."""
_FORMATS = {".csv": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json", ".parquet": "parquet"}
_TIMES = re.compile(r"(_at|time|date|timestamp|day|ts|moment)$", re.IGNORECASE)
_ISO = re.compile(r"^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?)?(Z|[+-]\d\d:?\d\d)?$")
_WIDTHS = ((300, "1 month"), (40, "1 week"), (4, "1 day"), (0, "1 hour"))


@dataclass(frozen=True)
class Wish:
    """What the user said; None is to be inferred. `label`: a column or an SQL expression over the columns."""

    key: str | None = None
    time: str | None = None
    label: str | None = None
    interval: str | None = None


@dataclass
class Guess:
    """What the sample says. `said`: one sentence for each thing that was inferred, for the user to check."""

    format: str
    path: str
    columns: dict[str, str]
    rows: pd.DataFrame
    key: str = ""
    time: str = ""
    label: str = ""
    expression: str | None = None
    task: Task = "binary"
    interval: Duration = field(default_factory=lambda: Duration(1, "day"))
    said: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Created:
    """The files that were written, and what was inferred on the way."""

    files: tuple[Path, ...]
    said: tuple[str, ...]


def create(name: str, sample: str | Path, wish: Wish, *, root: Path, force: bool = False) -> Created:
    """Writes `pipelines/<name>.yml`, `pipelines/<name>/features.sql` and `expectations/<name>_rows.json` below `root`.

    `sample`: a CSV file with a header, JSON lines, or Parquet, which stays where it is and becomes the source. Raises
    UsageError when it can't be read, when a named column isn't there, when something can't be inferred (and says which
    option tells it), or when a file is there already and `force` isn't given."""
    if not re.match(NAME, name):
        raise UsageError(f"expected a lower-case name (a-z, 0-9, _) for the pipeline, found {name!r}")
    guess = _look(Path(sample).absolute(), wish, root)
    files = {
        root / "pipelines" / f"{name}.yml": _pipeline(name, guess),
        root / "pipelines" / name / "features.sql": _features(guess),
        root / "expectations" / f"{name}_rows.json": json.dumps(_suite(name, guess), indent=2) + "\n",
    }
    there = [str(file) for file in files if file.exists()]
    if there and not force:
        raise UsageError(f"{', '.join(there)}: there already; choose another name, or --force to write over them")
    for file, text in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return Created(tuple(files), tuple(guess.said))


def _look(sample: Path, wish: Wish, root: Path) -> Guess:
    rows, kind = read_sample(sample)
    if rows.empty:
        raise UsageError(f"{sample}: expected at least one row")
    columns = {str(name): sql_type(rows[name]) for name in rows.columns}
    path = sample.relative_to(root) if sample.is_relative_to(root) else sample
    guess = Guess(kind, str(path), columns, rows)
    guess.time = _named(wish.time, "--time", columns) or _infer_time(guess)
    guess.key = _named(wish.key, "--key", columns) or _infer_key(guess)
    _choose_label(guess, wish.label)
    guess.interval = Duration.parse(wish.interval) if wish.interval else _infer_interval(guess)
    return guess


def read_sample(sample: Path) -> tuple[pd.DataFrame, str]:
    """The first `ROWS` rows of a file, and its format. Raises UsageError when it can't be read."""
    import pandas as pd

    kind = _FORMATS.get(sample.suffix.lower())
    if kind is None:
        raise UsageError(f"{sample}: expected a file that ends with one of {', '.join(_FORMATS)}")
    try:
        if kind == "csv":
            return pd.read_csv(sample, nrows=ROWS), kind
        if kind == "json":
            return pd.read_json(sample, lines=True, nrows=ROWS, convert_dates=False), kind
        import pyarrow.parquet as pq

        return next(pq.ParquetFile(sample).iter_batches(ROWS)).to_pandas(), kind
    except (OSError, ValueError, StopIteration) as error:
        raise UsageError(
            f"{sample}: can't be read as {kind}: {str(error).splitlines()[0] if str(error) else 'empty'}"
        ) from error


def sql_type(values: pd.Series[Any]) -> str:
    """The SQL type that a column of a sample is declared with."""
    import pandas as pd

    known = values.dropna()
    if pd.api.types.is_bool_dtype(values) or (len(known) and known.map(lambda v: isinstance(v, bool)).all()):
        return "boolean"
    if pd.api.types.is_datetime64_any_dtype(values):
        return "timestamp"
    if pd.api.types.is_integer_dtype(values):
        return "bigint"
    if pd.api.types.is_float_dtype(values):
        return "bigint" if len(known) and (known % 1 == 0).all() and len(known) < len(values) else "double"
    return "timestamp" if len(known) and known.astype(str).str.match(_ISO).all() else "string"


def _named(wanted: str | None, option: str, columns: Mapping[str, str]) -> str | None:
    if wanted is not None and wanted not in columns:
        raise UsageError(
            f"{option}: no column '{wanted}'{did_you_mean(wanted, columns)}; there are: {', '.join(columns)}"
        )
    return wanted


def _infer_time(guess: Guess) -> str:
    times = [name for name, kind in guess.columns.items() if kind == "timestamp"]
    if not times:
        raise UsageError("no column looks like a time (ISO 8601, as 2024-01-31T12:00:00); name one with --time")
    best = next((name for name in times if _TIMES.search(name)), times[0])
    guess.said.append(f"the event time is '{best}' (--time says otherwise)")
    return best


def _infer_key(guess: Guess) -> str:
    unique = [name for name in guess.columns if guess.rows[name].is_unique and guess.rows[name].notna().all()]
    unique = [name for name in unique if guess.columns[name] in ("string", "bigint")]
    if not unique:
        raise UsageError("no column names each row once; name the nearest with --key (later doubles are dropped)")
    best = next((name for name in unique if name.lower() == "id" or name.lower().endswith("id")), unique[0])
    guess.said.append(f"the key is '{best}' (--key says otherwise)")
    return best


def _choose_label(guess: Guess, wanted: str | None) -> None:
    if wanted is not None and wanted not in guess.columns:
        if not re.search(r"[=<>( ]", wanted):
            _named(wanted, "--label", guess.columns)
        guess.label, guess.expression, guess.task = "outcome", wanted, "binary"
        return
    others = [name for name in guess.columns if name not in (guess.key, guess.time)]
    binary = [name for name in others if guess.columns[name] == "boolean" or _is_flag(guess.rows[name])]
    numbers = [name for name in others if guess.columns[name] in ("double", "bigint")]
    label = wanted or next(iter([*binary[::-1], *numbers[::-1]]), None)
    if label is None:
        raise UsageError("no column looks like an outcome; name one, or an SQL expression, with --label")
    guess.label, guess.task = label, "binary" if label in binary else "regression"
    if wanted is None:
        guess.said.append(f"the label is '{label}', so the task is {guess.task} (--label says otherwise)")
    if guess.columns[label] in ("string", "timestamp"):
        raise UsageError(
            f"--label: '{label}' is a {guess.columns[label]}; give an expression, such as \"{label} = 'x'\""
        )


def _is_flag(values: pd.Series[Any]) -> bool:
    return set(values.dropna().unique()) == {0, 1}


def _times(guess: Guess) -> pd.Series[Any]:
    import pandas as pd

    times = pd.to_datetime(guess.rows[guess.time], utc=True, errors="coerce", format="ISO8601").dropna()
    if times.empty:
        raise UsageError(f"--time: no value of '{guess.time}' reads as an ISO 8601 time")
    return times


def _infer_interval(guess: Guess) -> Duration:
    times = _times(guess)
    days = (times.max() - times.min()).days
    width = next(text for least, text in _WIDTHS if days >= least)
    guess.said.append(f"the sample spans {days} days, so an interval is {width} (--interval says otherwise)")
    return Duration.parse(width)


def _pipeline(name: str, guess: Guess) -> str:
    times = _times(guess)
    first = Interval.containing(times.min().to_pydatetime().astimezone(timezone.utc), guess.interval)
    last = Interval.containing(times.max().to_pydatetime().astimezone(timezone.utc), guess.interval)
    count, unit = guess.interval.count, guess.interval.unit
    schema = ", ".join(f"{_yaml(column)}: {kind}" for column, kind in guess.columns.items())
    expression = f", expression: {json.dumps(guess.expression)}" if guess.expression else ""
    families = "[logistic_regression, gbt]" if guess.task == "binary" else "[linear_regression, gbt]"
    return f"""\
# Written by jobs/init.py from {guess.path}. It runs as it is; then make it yours.
# docs/pipeline.schema.json has all keys.
pipeline: {name}

targets:
  local: {{storage: .data/{name}, tracking: "sqlite:///.data/mlflow.db", default: true}}

interval: {guess.interval}
start: {first.start:%Y-%m-%dT%H:%M}
end: {last.end:%Y-%m-%dT%H:%M}     # leave it out to go on for ever

sources:
  rows:
    format: {guess.format}
    path: {json.dumps(guess.path)}     # one file that holds all times; with {{interval}} in it, one an interval
    schema: {{{schema}}}
    key: [{_yaml(guess.key)}]
    event_time: {_yaml(guess.time)}
    available_after: 0 days     # how long after its event time a row, with its outcome, is known: set it right
    expectations: expectations/{name}_rows.json

features: {{sql: pipelines/{name}/features.sql, key: {_yaml(guess.key)}, event_time: {_yaml(guess.time)}}}
label: {{column: {_yaml(guess.label)}, from: rows{expression}}}
model: {{task: {guess.task}, families: {families}, tune: {{trials: 6}}}}
train: {{window: {12 * count} {unit}s, holdout: {count} {unit}{"s" if count > 1 else ""}, minimum: {3 * count} {unit}s}}
gate: {{beat_champion: {{metric: {"log_loss" if guess.task == "binary" else "rmse"}, confidence: 0.9}}}}
retrain: {{when: {{any: [{{age: {4 * count} {unit}s}}, {{drift: population_stability_index, above: 0.25}}]}}}}
"""


def _yaml(name: str) -> str:
    return (
        name
        if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) and name not in ("y", "n", "yes", "no", "on", "off")
        else json.dumps(name)
    )


def _features(guess: Guess) -> str:
    own = {guess.key, guess.time, guess.label}
    words = set(re.findall(r"\w+", guess.expression or ""))
    lines = [
        _sql(guess.key),
        _sql(guess.time),
        f"hour({_sql(guess.time)}) AS hour",
        f"dayofweek({_sql(guess.time)}) AS weekday",
    ]
    left: list[str] = []
    for name, kind in guess.columns.items():
        if name in own or name in words:
            continue
        many = kind == "string" and guess.rows[name].nunique() > max(MANY, len(guess.rows) // 2)
        (left if many or kind == "timestamp" else lines).append(_sql(name))
    note = f"\n-- Left out: {', '.join(left)} (a time, or different in nearly every row)." if left else ""
    return f"""\
-- One row a key: what the model may look at. Leave out every column that is known only after the event time.{note}
SELECT
  {(f",{chr(10)}  ").join(lines)}
FROM rows
"""


def _sql(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) else quoted(name)


def _suite(name: str, guess: Guess) -> dict[str, Any]:
    columns = {column: _facts(guess.rows[column], kind) for column, kind in guess.columns.items()}
    own = (guess.key, guess.time)
    found = [entry for entry in entries(columns, required=own) if _wanted(entry, own)]
    return {"name": f"{name}_rows", "expectations": found, "meta": {"suggested_from": {"rows": len(guess.rows)}}}


def _wanted(entry: Mapping[str, Any], own: tuple[str, ...]) -> bool:
    """Of the key and the event time only that they are there: later intervals go on where the sample ends."""
    return entry["kwargs"]["column"] not in own or entry["type"] == "expect_column_values_to_not_be_null"


def _facts(values: pd.Series[Any], kind: str) -> ColumnFacts:
    """A sample's column, as rules are suggested from it."""
    known = values.dropna()
    kinds: dict[str, Kind] = {"bigint": "number", "double": "number", "timestamp": "time", "boolean": "boolean"}
    found = kinds.get(kind, "text")
    given: dict[str, Any] = {"unique": known.is_unique}
    if found in ("number", "time") and len(known):
        low, high = known.min(), known.max()
        number = int if kind == "bigint" else float
        given |= {"low": str(low), "high": str(high)} if found == "time" else {"low": number(low), "high": number(high)}
    if found in ("number", "text") and known.nunique() <= MANY:
        convert = {"bigint": int, "double": float}.get(kind, str)
        given["values"] = {convert(value): int(count) for value, count in known.value_counts().items()}
    if found == "text" and len(known):
        texts = known.astype(str)
        given |= _shapes(texts)
    return ColumnFacts(found, len(values), len(values) - len(known), **given)


def _shapes(texts: pd.Series[Any]) -> dict[str, Any]:
    lengths = texts.str.len()
    found: dict[str, Any] = {"shortest": int(lengths.min()), "longest": int(lengths.max())}
    found["known"] = tuple(name for name, regex in KNOWN.items() if texts.str.match(regex).all())
    for exact in (True, False):
        shapes = texts.map(lambda text, exact=exact: shape(text, exact=exact)).value_counts()
        if found["longest"] <= LONGEST and len(shapes) <= SHAPES:
            return {**found, "shapes": {str(one): int(count) for one, count in shapes.items()}, "exact": exact}
    return found
