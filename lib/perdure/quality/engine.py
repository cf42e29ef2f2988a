"""A Great Expectations execution engine for Spark that answers a suite's metrics from one fused scan.

Great Expectations resolves a graph of metrics in waves and asks its engine for each wave. This engine lets its own
providers build every condition and aggregate (so the semantics stay theirs), holds back all that would start a query,
and answers it together: one aggregate over the batch, one group-by for uniqueness, one query for samples of what
failed. A metric that it doesn't know is left to Great Expectations' own resolution. Nothing is persisted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from great_expectations.core.metric_function_types import MetricPartialFunctionTypes
from great_expectations.exceptions.exceptions import MetricResolutionError
from great_expectations.execution_engine.sparkdf_batch_data import SparkDFBatchData
from great_expectations.execution_engine.sparkdf_execution_engine import SparkDFExecutionEngine
from great_expectations.expectations.registry import get_metric_function_type, get_metric_provider
from great_expectations.util import convert_to_json_serializable
from pyspark.sql import Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from perdure.core.identifiers import quoted

from .metrics import Recorder, Values, columns, condition, sample_size, shaped
from .quantiles import Quantiles
from .scan import LANDED, KeyCheck, Scan, both, count_where, duplicates, either, first_values, holds, with_position

if TYPE_CHECKING:
    from great_expectations.validator.metric_configuration import MetricConfiguration
    from pyspark.sql import Column, DataFrame

UNIQUE = ("column_values.unique", "compound_columns.unique")
"""Conditions that look at the other rows' keys: answered by a group-by instead of a window over whole rows."""

IGNORES_NULLS = frozenset(
    f"column.{name}" for name in ("max", "min", "sum", "mean", "standard_deviation", "non_null_count")
) | {"column_values.length.max", "column_values.length.min"}
"""Aggregates that a row left out and a row with a null change alike: a filter becomes a null, and they fuse."""

QUANTILE_ERROR = 1e-5
"""Rank error of quantiles where the suite names none; exact up to 50,000 rows."""

_PROMISE = object()
_PARTIAL = (".condition", ".aggregate_fn", ".map")
_BATCH, _RECORD = "batch", "record"


class FusedEngine(SparkDFExecutionEngine):
    """Judges the rows of `frame` that `where` keeps (None: all).

    `first` is the scan that the first wave joins: who builds the engine may put aggregates of their own into it and
    find the answers in `first_found`. `later`, if set, gives conditions whose rows the query that takes the samples is
    to count, and `later_found` has their counts.
    """

    def __init__(self, frame: DataFrame, where: Column | None = None) -> None:
        super().__init__(spark=frame.sparkSession, persist=False)
        self.frame, self.where = frame, where
        self.first = Scan(frame)
        self.first_found: Any = None
        self.later: Callable[[Values], Mapping[str, Column]] = lambda metrics: {}
        self.later_found: dict[str, Any] = {}
        self._errors: dict[Any, Exception] = {}
        self._promised: Values = {}
        self._waiting: set[Any] = set()
        self._broken: Exception | None = None
        self._domains: dict[str, Column | None] = {}
        self._counts: dict[Any, int | None] = {}
        self._repeated: dict[Any, list[Any]] = {}
        self._save(_RECORD, Recorder(frame.schema))
        # Perdure's own columns (`_file`, ...) are no part of the table that a suite is about.
        shown = [F.col(quoted(name)) for name in frame.columns if not name.startswith("_")]
        self._batch = (frame if where is None else frame.filter(where)).select(*shown)
        self._save(_BATCH, self._batch)

    def _save(self, name: str, data: Any) -> None:
        self.batch_manager.save_batch_data(batch_id=name, batch_data=SparkDFBatchData(self, data))

    def resolve_metrics(
        self,
        metrics_to_resolve: Iterable[MetricConfiguration],
        metrics: Values | None = None,
        runtime_configuration: dict[str, Any] | None = None,
    ) -> Values:
        """Part of the answers at a time: first what costs no query, then the fused scan, then the samples. Raises
        MetricResolutionError for one failed metric once nothing else is left."""
        try:
            return self._resolve(list(metrics_to_resolve), metrics or {}, runtime_configuration)
        except MetricResolutionError:
            raise
        except Exception as error:  # the graph would swallow it; `flush` raises it
            self._broken = error
            raise

    def flush(self) -> Values:
        """Call when the graph is resolved: the answers that it has only promises of. Raises what broke the engine."""
        if self._broken is not None:
            raise self._broken
        return self._scan([], {}, {}) if self._promised or self.first_found is None else {}

    def _resolve(self, asked: list[MetricConfiguration], known: Values, runtime: Any) -> Values:
        kinds: dict[Any, list[MetricConfiguration]] = {}
        for metric in asked:
            if metric.id not in self._errors:
                kinds.setdefault(self._kind(metric), []).append(metric)
        for answer in (self._promise, self._direct, self._scan, self._sample):
            found = answer(kinds[answer], known, runtime) if answer in kinds else {}
            if found:
                return found
            self._raise_any(asked)  # a failure is settled before a query starts, for others may wait behind it
        return {}

    def _promise(self, metrics: list[MetricConfiguration], known: Values, runtime: Any) -> Values:
        """Nearly every metric depends on the row count, though few read it: they get a stand-in until it is scanned."""
        self._promised |= {metric.id: metric for metric in metrics}
        return {metric.id: _PROMISE for metric in metrics}

    def _raise_any(self, metrics: Iterable[MetricConfiguration]) -> None:
        for metric in metrics:
            if metric.id in self._errors:
                error = self._errors[metric.id]
                raise MetricResolutionError(message=str(error), failed_metrics=(metric,)) from error

    def domain(self, kwargs: Mapping[str, Any]) -> Column | None:
        """The filter that these domain kwargs (row_condition, ignore_row_if, ...) and `where` put on the frame."""
        key = str(sorted(kwargs.items(), key=str))
        if key not in self._domains:
            recorded: Any = self.get_domain_records({**kwargs, "batch_id": _RECORD})
            self._domains[key] = both(self.where, *recorded.filters)
        return self._domains[key]

    def is_per_row(self, metric: MetricConfiguration) -> bool:
        """Whether the rows that an `*.unexpected_count` metric counts can be told one by one."""
        return condition(metric) is not None and (self.is_unique(metric) or not self._is_window(metric))

    def unexpected(self, metric: MetricConfiguration, metrics: Values) -> Column | None:
        """The condition 'the row fails', never null, of an `*.unexpected_count` metric; None where it isn't a matter of
        a row alone. A uniqueness condition holds a window: usable in a projection only."""
        needed = condition(metric)
        if not self.is_per_row(metric) or needed.id not in metrics:
            return None
        if self.is_unique(metric):
            check = self._key_check(metric, metrics)
            kept = F.lit(True) if check.where is None else check.where
            shared = F.sum(F.when(kept, 1)).over(Window.partitionBy(F.struct(*check.columns)))
            return holds(kept & (shared > 1))
        column, domain, _ = self._built(metric, metrics)
        return holds(_and(domain, column))

    def _kind(self, metric: MetricConfiguration) -> Any:
        """Which of the three ways answers this metric."""
        name, dependencies = metric.metric_name, metric.metric_dependencies
        if name == "table.row_count" and self.first_found is None:
            return self._promise
        if name.endswith(".unexpected_values") and condition(metric) is not None:
            complete = metric.metric_value_kwargs["result_format"]["result_format"] == "COMPLETE"
            own = complete or (self._is_window(metric) and not self.is_unique(metric))
            return self._direct if own else self._sample
        if "metric_partial_fn" in dependencies or name in ("column.quantile_values", "column.median"):
            return self._scan
        if "unexpected_condition" in dependencies and name.endswith((".unexpected_count", ".filtered_row_count")):
            return self._direct if self._is_window(metric) and not self.is_unique(metric) else self._scan
        reads = not name.endswith(_PARTIAL) and self._awaits(metric)
        return self._scan if reads or metric.id in self._waiting else self._direct

    def is_unique(self, metric: MetricConfiguration) -> bool:
        """Whether the metric is about rows that share a key."""
        return metric.metric_name.rpartition(".")[0] in UNIQUE

    def _is_window(self, metric: MetricConfiguration) -> bool:
        needed = condition(metric)
        kind = needed and get_metric_function_type(needed.metric_name, self)
        return bool(kind == MetricPartialFunctionTypes.WINDOW_CONDITION_FN)

    def _direct(self, metrics: list[MetricConfiguration], known: Values, runtime: Any) -> Values:
        """Great Expectations' own resolution, one metric at a time."""
        found: Values = {}
        for metric in metrics:
            try:
                found.update(super().resolve_metrics([metric], known, runtime))
            except Exception as error:  # a provider may raise anything; it must cost no other metric its answer
                if self._awaits(metric):
                    self._waiting.add(metric.id)
                else:
                    self._errors[metric.id] = error
        return found

    def _awaits(self, metric: MetricConfiguration) -> bool:
        """Whether it depends on an answer that is only promised so far."""
        return any(one.id in self._promised for one in metric.metric_dependencies.values())

    def _scan(self, metrics: list[MetricConfiguration], known: Values, runtime: Any) -> Values:
        """All of them from one scan; what can't be fused, or fails there, by Great Expectations' own resolution."""
        scan = self.first if self.first_found is None else Scan(self.frame)
        finish: dict[str, Callable[[Any], Any]] = {}
        promised = list(self._promised.values())
        self._promised = {}
        named = {f"metric{index}": metric for index, metric in enumerate([*metrics, *promised])}
        own = []
        for name, metric in named.items():
            try:
                fused = self._fuse(name, metric, known, scan)
            except Exception as error:
                self._errors[metric.id] = error
                continue
            if fused is None:
                own.append(metric)
            else:
                finish[name] = fused
        found = scan.run()
        if scan is self.first:
            self.first_found = found
        answers: Values = {}
        for name, convert in finish.items():
            if name in found.errors:
                own.append(named[name])
            else:
                answers[named[name].id] = convert(found.keys[name] if name in found.keys else found.values[name])
            if name in found.errors and named[name] in promised:
                raise found.errors[name]  # rows that can't be counted can't be read at all
        answers |= self._direct(own, known | answers, runtime)
        self._remember(metrics, answers)
        return answers

    def _remember(self, metrics: list[MetricConfiguration], answers: Values) -> None:
        for metric in metrics:
            needed = condition(metric)
            if needed is not None and metric.metric_name.endswith(".unexpected_count") and metric.id in answers:
                self._counts[needed.id] = answers[metric.id]

    def _fuse(
        self, name: str, metric: MetricConfiguration, known: Values, scan: Scan
    ) -> Callable[[Any], Any] | None:
        """Puts the metric into the scan under `name`, and gives what turns the scan's answer into the metric's value;
        None where it can't be fused."""
        if metric.metric_name in ("column.quantile_values", "column.median"):
            return self._fuse_quantiles(name, metric, scan)
        if metric.metric_name.endswith(".filtered_row_count"):
            scan.values[name] = count_where(self._built(metric, known)[1])
            return _same
        if metric.metric_name == "column.distinct_values.count":
            scan.keys[name] = self._distinct_check(metric, known)
            return lambda count: count.keys
        if self.is_unique(metric) and metric.metric_name.endswith(".unexpected_count"):
            scan.keys[name] = self._key_check(metric, known)
            return lambda count: self._exact(metric, known) if count.repeated else 0
        if condition(metric) is not None and metric.metric_name.endswith(".unexpected_count"):
            return None if self._is_window(metric) else self._fuse_count(name, metric, known, scan)
        fuses = "metric_partial_fn" in metric.metric_dependencies
        return self._fuse_aggregate(name, metric, known, scan) if fuses else None

    def _fuse_count(self, name: str, metric: MetricConfiguration, known: Values, scan: Scan) -> Callable[[Any], Any]:
        column, domain, _ = self._built(metric, known)
        if "metric_partial_fn" in metric.metric_dependencies:  # a column's: null where the domain holds no rows
            ones = F.when(column, 1).otherwise(0)
            scan.values[name] = F.sum(ones if domain is None else F.when(domain, ones))
        else:
            scan.values[name] = count_where(_and(domain, column))
        return _same

    def _fuse_aggregate(
        self, name: str, metric: MetricConfiguration, known: Values, scan: Scan
    ) -> Callable[[Any], Any] | None:
        partial = metric.metric_dependencies["metric_partial_fn"]
        column, compute, _ = known[partial.id]
        domain = self.domain(compute)
        if metric.metric_name == "table.row_count":
            scan.values[name] = count_where(domain)
        elif domain is None:
            scan.values[name] = column
        elif metric.metric_name in IGNORES_NULLS:
            scan.values[name] = self._masked(partial, domain, known, scan)
        else:
            return None
        return _json

    def _masked(self, partial: MetricConfiguration, domain: Column, known: Values, scan: Scan) -> Column:
        """The provider's aggregate over a copy of its column that is null outside the domain."""
        masked = f"__perdure_masked{len(scan.helpers)}"
        scan.helpers[masked] = F.when(domain, F.col(partial.metric_domain_kwargs["column"]))
        self._save(masked, self.frame.select(scan.helpers[masked].alias(masked)))
        self._save(_BATCH, self._batch)  # the active one again
        provider, function = get_metric_provider(metric_name=partial.metric_name, execution_engine=self)
        dependencies = {name: known[metric.id] for name, metric in partial.metric_dependencies.items()}
        aggregate: Column = function(
            cls=provider,
            execution_engine=self,
            metric_domain_kwargs={"column": masked, "batch_id": masked},
            metric_value_kwargs=partial.metric_value_kwargs,
            metrics={**dependencies, "table.columns": [masked]},
            runtime_configuration={},
        )[0]
        return aggregate

    def _fuse_quantiles(self, name: str, metric: MetricConfiguration, scan: Scan) -> Callable[[Any], Any] | None:
        column = metric.metric_domain_kwargs["column"]
        error = metric.metric_value_kwargs.get("allow_relative_error") or QUANTILE_ERROR
        kind = next((field.dataType for field in self.frame.schema if field.name == column), None)
        if not isinstance(kind, T.NumericType) or not isinstance(error, float) or not 0 < error <= 1:
            return None
        median = metric.metric_name == "column.median"
        # Two ranks that are the middle two of an even count, and the same one of an odd count.
        shares = [0.5, 0.5 + 1e-9] if median else [float(q) for q in metric.metric_value_kwargs["quantiles"]]
        if not all(0 <= share <= 1 for share in shares):
            return None
        value = F.col(quoted(column)).cast("double")
        kept = both(self.domain(metric.metric_domain_kwargs), ~F.isnan(value))
        scan.quantiles[name] = Quantiles(F.when(_given(kept), value), tuple(shares), error)
        return _mean if median else lambda found: found or []

    def _distinct_check(self, metric: MetricConfiguration, known: Values) -> KeyCheck:
        _, compute, accessor = known[metric.metric_dependencies["metric_partial_fn"].id]
        column = F.col(accessor["column"])
        return KeyCheck((column,), both(self.domain(compute), column.isNotNull()), distinct=True)

    def _key_check(self, metric: MetricConfiguration, known: Values) -> KeyCheck:
        _, domain, accessor = self._built(metric, known)
        apart = [LANDED] if LANDED in self.frame.columns else []
        return KeyCheck(tuple(F.col(name) for name in [*columns(accessor), *apart]), domain)

    def _exact(self, metric: MetricConfiguration, known: Values) -> int:
        """Rows that share their key; a sample of them is kept for `_sample`."""
        found = duplicates(self.frame, self._key_check(metric, known), 20)
        width = len(columns(self._built(metric, known)[2]))
        self._repeated[condition(metric).id] = [row[:width] for row in found.sample for _ in range(row[-1])]
        return found.rows

    def _sample(self, metrics: list[MetricConfiguration], known: Values, runtime: Any) -> Values:
        """The first unexpected values of each, in one query; without a query where nothing is unexpected."""
        named = {f"sample{index}": metric for index, metric in enumerate(metrics)}
        counted = dict(self.later(known))
        aggregates = {name: count_where(rows) for name, rows in counted.items()}
        looked_at = list(counted.values())
        answers: Values = {}
        for name, metric in named.items():
            needed = condition(metric)
            count = self._counts.get(needed.id)
            if count and not self.is_unique(metric):
                aggregates[name] = self._first_values(metric, known)
                column, domain, _ = self._built(metric, known)
                looked_at.append(_and(domain, column))
            else:
                answers[metric.id] = shaped(self._repeated.get(needed.id, ()), metric, known)
        # Aggregates that keep values are dear: they see the rows that fail, not all.
        frame = with_position(self.frame).where(either(looked_at))
        found = Scan(frame, values=aggregates).run()
        self.later_found = {name: value for name, value in found.values.items() if name not in named}
        failed = [named[name] for name in found.errors if name in named]
        answers |= {
            named[name].id: shaped(value or (), named[name], known)
            for name, value in found.values.items()
            if name in named
        }
        return answers | self._direct(failed, known, runtime)

    def _first_values(self, metric: MetricConfiguration, known: Values) -> Column:
        column, domain, accessor = self._built(metric, known)
        values = [F.col(name).alias(f"value{index}") for index, name in enumerate(columns(accessor))]
        return first_values(_and(domain, column), values, sample_size(metric))

    def _built(self, metric: MetricConfiguration, known: Values) -> tuple[Column, Column | None, dict[str, Any]]:
        """The condition that this metric counts or lists, the domain that it counts in, and the domain's columns."""
        column, compute, accessor = known[condition(metric).id]
        return column, self.domain({**compute, **accessor}), accessor


def _and(domain: Column | None, condition: Column) -> Column:
    return condition if domain is None else domain & condition


def _given(condition: Column | None) -> Column:
    return F.lit(True) if condition is None else condition


def _same(value: Any) -> Any:
    return value


def _json(value: Any) -> Any:
    return convert_to_json_serializable(data=value)


def _mean(values: list[float] | None) -> float:
    return sum(values) / len(values) if values else float("nan")
