"""The types of the pipeline file. `pipeline_file` reads them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from .conditions import Retrain
from .interval import Duration
from .section import Name, Section, Span, SqlType, Time
from .tune import Tune

Task = Literal["binary", "multiclass", "regression"]
AT_ONCE = Duration(0, "day")
NOTHING: dict[str, Any] = {"default": "0 days"}  # AT_ONCE as JSON Schema has it


class Target(Section):
    """Where a pipeline lives: tables below `storage` or in `catalog`.`schema`, models in the `tracking` server."""

    storage: str | None = Field(default=None, description="folder or URL that holds the tables")
    catalog: str | None = Field(default=None, description="catalog that holds the tables, instead of storage")
    schema_name: str | None = Field(default=None, alias="schema", description="schema in the catalog")
    tracking: str = Field(description="MLflow tracking URI")
    default: bool = Field(default=False, description="used when no --target is given")
    experiment: str | None = Field(
        default=None, description="MLflow experiment; default: the pipeline's name, on Databricks /Shared/<model>"
    )
    extends: str | None = Field(default=None, description="another target whose settings this one starts from")


DatePart = Literal["year", "quarter", "month", "day", "weekday", "hour"]
Policy = Literal["evolve", "quarantine", "fail"]


class SchemaChanges(Section):
    """What becomes of a file whose columns aren't the declared ones, by the kind of change: evolve takes it as well as
    it can be taken, quarantine rejects its rows, fail refuses it."""

    added: Policy = Field(default="fail", description="a column more; evolve: it is kept, through to the valid rows")
    missing: Policy = Field(default="fail", description="a declared column isn't there; evolve: it is null")
    renamed: Policy = Field(default="fail", description="a name much like a missing one; evolve: taken for that one")
    widened: Policy = Field(default="fail", description="a wider type (bigint for int); evolve: rows that fit go on")
    narrowed: Policy = Field(default="evolve", description="a narrower type (int for bigint); evolve: it is widened")
    reordered: Policy = Field(default="evolve", description="another order; evolve: columns go by their names")


class Source(Section):
    """Raw data: where it lands, its declared columns, and what must hold of it."""

    format: str = Field(description="csv, json, parquet, delta, jdbc or kafka")
    path: str = Field(
        description="file, folder or pattern ({interval}: its label, 2013-01-31 or 2013-01-31T06-30); a table's folder "
        "or name"
    )
    columns: dict[str, SqlType] = Field(alias="schema", min_length=1, description="column name: SQL type")
    key: tuple[str, ...] = Field(default=(), description="columns that name a row; of a key's rows one stays")
    version: str | None = Field(
        default=None, description="column that grows with each correction: of a key's rows the greatest stays"
    )
    event_time: str | None = Field(default=None, description="timestamp column; a source without one is static")
    available_after: Span = Field(
        default=AT_ONCE, json_schema_extra=NOTHING, description="how long after event_time a row is known"
    )
    expectations: str | None = Field(default=None, description="Great Expectations suite (JSON)")
    on_failure: Literal["quarantine", "fail"] = Field(default="quarantine", description="what becomes of bad rows")
    late: Literal["quarantine", "upsert"] = Field(
        default="quarantine",
        description="rows of earlier intervals; upsert: each goes into the interval of its event time, in place of the "
        "row with its key there; features, labels and performance follow, trainings and predictions stay",
    )
    schema_changes: SchemaChanges = Field(default=SchemaChanges(), description="files with other columns")
    options: dict[str, str | int | bool] = Field(default={}, description="reader options, as Spark names them")

    @property
    def static(self) -> bool:
        """Whether its rows have no event time: one state of the world, replaced as a whole."""
        return self.event_time is None


class Features(Section):
    """Features in SQL over the validated sources, one row a key and event time."""

    sql: str = Field(description="file with one SELECT over the sources and views")
    views: dict[Name, str] = Field(default={}, description="name: file with a SELECT that features may build on")
    key: str = Field(description="the column that names a row of features; the label's source has it, too")
    event_time: str = Field(description="when a prediction is wanted: a row sees only what was known by then")
    lookback: Span = Field(
        default=AT_ONCE, json_schema_extra=NOTHING, description="how much history the SQL is given before the interval"
    )


class Label(Section):
    """What is predicted: a column, or an expression over the columns, of a source that shares the features' key."""

    column: Name = Field(description="a column of that source, or the name of what `expression` gives")
    source: str = Field(alias="from", description="the source that the outcome comes with")
    expression: str | None = Field(default=None, description="SQL expression; null means that there is no outcome")
    classes: tuple[str, ...] = Field(
        default=(), description="multiclass: the values it can have, as text; a class is known by its place, from 0"
    )


class Decision(Section):
    """What mistakes cost (binary): a probability counts as class 1 above the threshold at which they cost least on the
    rows that the search judged by. Without this section it is 0.5."""

    false_positive: float = Field(default=1.0, gt=0, description="an alarm for nothing, in any unit")
    false_negative: float = Field(default=1.0, gt=0, description="a miss, in the same unit")


class Fairness(Section):
    """How unlike treatment of groups is lessened (binary); `gate.fairness` says how much of it is let pass."""

    group: str = Field(description="the features' column whose values are the groups; the model may be kept from it")
    method: Literal["reweighing", "thresholds"] = Field(
        default="reweighing", description="training rows weigh such that label and group are independent; or, after "
        "training, each group has the threshold at which its `parity` is that of all rows"
    )
    parity: Literal["selection_rate", "true_positive_rate"] = Field(
        default="selection_rate", description="thresholds: the rate that is alike: of a group's rows those that count "
        "as class 1; or the same of its rows that are of class 1"
    )
    minimum_rows: int = Field(
        default=100, ge=1, description="thresholds: rows below which a group has the threshold of all"
    )


class Prepare(Section):
    """How features become what models see. Numbers: gaps are the median, with an indicator. Texts: see `categories`; a
    gap is a value. Dates and times: see `dates`. How long ago something was is for the features' SQL to say, such as
    `datediff(at, opened)`."""

    categories: int = Field(
        default=63, ge=1, le=254, description="a text's values that count, the most frequent; rarer and unseen ones "
        "are one more"
    )
    dates: tuple[DatePart, ...] = Field(
        default=("weekday", "hour"), description="the parts of dates and times (in UTC) that models see; none: []. A "
        "month is of use once there is more than a year of data"
    )
    imbalance: Literal["keep", "balance"] = Field(
        default="keep", description="binary, multiclass: keep: classes weigh as often as they occur, so probabilities "
        "are true, and `decision` chooses the threshold; balance: training rows weigh such that each class counts as "
        "much, for families that miss a rare one: probabilities of rare classes come out too high then"
    )


class Model(Section):
    """The task, the model families to search, and how."""

    task: Task = Field(description="binary: will it be so (labels 0 and 1); multiclass: which of "
                       "`label.classes`; regression: how much")
    families: tuple[str, ...] = Field(min_length=1, description="model families that the search chooses from")
    exclude: tuple[str, ...] = Field(default=(), description="feature columns that the model must not see")
    prepare: Prepare = Prepare()
    tune: Tune = Tune()
    decision: Decision | None = Field(default=None, description="what mistakes cost, from which the threshold follows")
    fairness: Fairness | None = Field(default=None, description="lessens unlike treatment of groups; before and after "
                                      "are in the model card")
    seed: int = Field(default=42, description="of everything random: the same seed gives the same model")


class Train(Section):
    """Which rows train: the `window` before the cut, its last `holdout` kept for the evaluation."""

    window: Span = Field(description="how far back rows are used, the holdout included")
    holdout: Span = Field(description="the window's last part, which only the evaluation sees")
    minimum: Span | None = Field(
        default=None, description="history wanted before the first training; default: the window"
    )


class BeatChampion(Section):
    """The candidate must be better than the champion on the same rows, by `margin`, with `confidence` (paired)."""

    metric: str = Field(description="what the two are compared by")
    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="how sure it must be (paired bootstrap)")
    margin: float = Field(default=0.0, description="by how much, in the metric's own unit")


class SliceRule(Section):
    """A metric's worst value that passes: in every value of a slice column, or between them (fairness)."""

    slice: str = Field(description="a column of the features")
    metric: str = Field(description="a metric, or for fairness a measure between groups")
    bound: float = Field(description="the worst value that passes")
    minimum_rows: int = Field(default=100, ge=1, description="labelled rows below which a value isn't judged")


class EnvironmentRules(Section):
    """When an environment counts as the one that a model was checked in."""

    versions: Literal["exact", "patch", "minor"] = Field(
        default="patch", description="how far versions may differ: not at all, 4.2.0 from 4.2.1, or 4.2 from 4.3"
    )
    ignore: tuple[str, ...] = Field(default=(), description="facts that may differ, by their names in the table")
    packages: tuple[str, ...] = Field(default=(), description="further Python packages that scoring needs")
    tolerance: float = Field(default=1e-9, ge=0, description="how far predictions on the golden rows may differ")


class Leakage(Section):
    """What is looked for with every training: features that come out otherwise when they are computed from what was
    known at an earlier time, and a feature that alone nearly gives the label."""

    mode: Literal["enforce", "dry_run", "off"] = Field(
        default="dry_run",
        description="whether it refuses a candidate (enforce), is told (dry_run), or isn't looked for",
    )
    alone: float = Field(
        default=0.95, gt=0, le=1, description="how far one feature alone may tell the label: classes by 2 AUC - 1, "
        "numbers by the part of their ranks' standard deviation that it takes away; 1 allows all"
    )


class Gate(Section):
    """What a candidate must show before it serves."""

    mode: Literal["enforce", "dry_run", "off"] = Field(
        default="enforce", description="whether a refusal counts (enforce), is only told (dry_run), or isn't looked for"
    )
    thresholds: dict[str, float] = Field(default={}, description="metric: worst value that passes")
    beat_champion: BeatChampion | None = None
    slices: tuple[SliceRule, ...] = Field(default=(), description="thresholds that hold in every part of the rows")
    fairness: tuple[SliceRule, ...] = Field(default=(), description="how unlike groups may be treated (binary)")
    leakage: Leakage = Field(default=Leakage(), description="features that know too much")
    environment: Literal["enforce", "dry_run", "off"] = Field(
        default="enforce", description="whether a model scores only where its golden rows were predicted as stored"
    )
    environment_rules: EnvironmentRules = EnvironmentRules()
    approval: Literal["none", "required"] = Field(
        default="none", description="required: a candidate that passed waits until a person says yes or no by "
        "`jobs/rollout.py PIPELINE approve VERSION --why TEXT` (or `reject`); the next that passes takes its place"
    )


class Rollout(Section):
    """How a candidate that passed its gate takes over from the champion: at once, after having scored beside it, or
    for a growing share of the keys. The first champion serves at once."""

    kind: Literal["direct", "shadow", "canary"] = Field(
        default="direct", description="at once; after scoring beside the champion; for a growing share of the keys"
    )
    steps: tuple[Annotated[int, Field(ge=1, le=100)], ...] = Field(
        default=(10, 50, 100), min_length=1, description="canary: per cent of the keys that the challenger serves"
    )
    bake: int = Field(default=1, ge=1, description="intervals that each step lasts at least")
    metric: str | None = Field(default=None, description="what they are compared by; default: as the search")
    worse_by: float = Field(default=0.05, ge=0, description="share by which the challenger may be worse")
    minimum_rows: int = Field(default=100, ge=1, description="judged rows of each, below which nothing is concluded")

    @field_validator("steps")
    @classmethod
    def _rising(cls, steps: tuple[int, ...]) -> tuple[int, ...]:
        if list(steps) != sorted(set(steps)):
            raise ValueError(f"the steps must rise, such as [10, 50, 100]; found {list(steps)}")
        return steps


class BusinessValue(Section):
    """What one prediction of each kind is worth, in any unit."""

    true_positive: float = Field(default=0.0, description="an alarm that was right")
    false_positive: float = Field(default=0.0, description="an alarm for nothing")
    false_negative: float = Field(default=0.0, description="a miss")
    true_negative: float = Field(default=0.0, description="rightly left alone")


class Monitor(Section):
    """What is watched, and along which slices."""

    slices: tuple[str, ...] = Field(default=(), description="feature columns along whose values all is measured, too")
    false_alarms: float = Field(
        default=0.01, gt=0, lt=0.5, description="chance that an interval without a change raises any drift alarm"
    )
    thresholds: dict[str, float] = Field(
        default={}, description="drift statistic: fixed threshold, instead of one from the reference's own intervals"
    )
    multivariate: bool = Field(
        default=False, description="also watch whether the features still go together (PCA reconstruction error)"
    )
    domain_classifier: bool = Field(
        default=False, description="also watch whether a classifier tells the interval's rows from the training's (ROC)"
    )
    attributions: bool = Field(
        default=False, description="also watch whether the model still leans on the same features (by mean SHAP sizes)"
    )
    business_value: BusinessValue | None = Field(default=None, description="adds the metric business_value (binary)")


class AtMost(Section):
    """So many notices in any time as long as `per`, by the clock; what is held back is told with the next."""

    notices: int = Field(ge=1, description="how many")
    per: Span = Field(description="in how long a time")


class Explain(Section):
    """Whether each prediction's reasons are stored beside it."""

    reasons: int = Field(default=0, ge=0, le=20, description="features a prediction in table `reasons`; 0: none")


class Validation(Section):
    """What follows a validation."""

    actions: tuple[dict[str, Any], ...] = Field(
        default=(),
        description="Great Expectations' actions, as its checkpoints have them: type (slack, email, microsoft, "
        "opsgenie, pagerduty, sns, api), name, notify_on, ...; write secrets as ${env:NAME}",
    )


class Alerts(Section):
    """Whom to tell of a change of state, and of which kinds."""

    to: tuple[str, ...] = Field(min_length=1, description="Apprise URLs; write secrets as ${env:NAME}")
    on: tuple[Literal["data", "drift", "performance", "retrain", "model", "approval"], ...] = Field(
        default=("data", "drift", "performance", "retrain", "model", "approval"), description="kinds of change"
    )
    at_most: AtMost | None = Field(default=None, description="how many notices, so that nobody is flooded")
    picture: bool = Field(default=True, description="attach a chart of what the notice is about (PNG)")


class Publish(Section):
    """Kafka topics that an interval's results are sent to, at least once, each message with an id."""

    options: dict[str, str | int | bool] = Field(
        description="kafka.bootstrap.servers, kafka.security.protocol, ...; write secrets as ${env:NAME}"
    )
    predictions: str | None = Field(default=None, description="topic for each prediction")
    drift: str | None = Field(default=None, description="topic for each feature that drifted")
    decisions: str | None = Field(default=None, description="topic for retraining decisions and deployments")


class Pipeline(Section):
    """A model's whole life, from raw data to retraining. Relative paths start from the project's folder."""

    pipeline: Name = Field(description="the model's name, in the registry and in the tables")
    description: str = Field(default="", description="what it is for, for people")
    targets: dict[Name, Target] = Field(min_length=1, description="places to live in; --target chooses one")
    interval: Span = Field(description="what one run of a step processes: a half-open range of event time")
    start: Time = Field(description="the first interval's start")
    end: Time | None = Field(default=None, description="where the last interval ends; default: now")
    feed: str | None = Field(default=None, description="Python file with land(folder): called before each ingest")
    landing: str = Field(default=".data/landing", description="folder that the feed lands in")
    sources: dict[Name, Source] = Field(min_length=1, description="raw data, by name")
    features: Features
    label: Label
    model: Model
    train: Train
    gate: Gate = Gate()
    rollout: Rollout = Rollout()
    monitor: Monitor = Monitor()
    retrain: Retrain = Retrain()
    explain: Explain = Explain()
    validation: Validation = Validation()
    alerts: Alerts | None = Field(default=None, description="needs perdure[alerts]")
    publish: Publish | None = Field(default=None, description="needs Spark's Kafka connector (jars-kafka.lock)")
    # The project's folder and the chosen target, as the reader of the file found them.
    root: Path = Field(default=Path("."), exclude=True, json_schema_extra={"readOnly": True})
    target: str = Field(default="", exclude=True, json_schema_extra={"readOnly": True})

    @property
    def place(self) -> Target:
        """The chosen target."""
        return self.targets[self.target]

    def path(self, relative: str) -> Path:
        """A path of the file's, made absolute."""
        return self.root / relative

    def location(self, path: str) -> str:
        """A data path, made absolute unless it is a URL (`s3a://`, ...)."""
        return path if re.match(r"^[a-z][a-z0-9+.-]*:", path) else str(self.root / path)

    @property
    def metric(self) -> str:
        """What the search and the model are judged by."""
        return self.model.tune.metric or ("rmse" if self.model.task == "regression" else "log_loss")

    def reads_sql(self) -> dict[str, str]:
        """View name to SQL text, `features` last."""
        files = {**self.features.views, "features": self.features.sql}
        return {name: self.path(file).read_text(encoding="utf-8") for name, file in files.items()}

    def suite_file(self, source: str) -> Path | None:
        """The suite of a source, where it has one."""
        file = self.sources[source].expectations
        return self.path(file) if file else None
