"""Great Expectations' metric configurations, as the fused engine reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from great_expectations.validator.metric_configuration import MetricConfiguration
    from pyspark.sql import Column
    from pyspark.sql import types as T

Values = dict[Any, Any]
"""Metric id: value, as far as resolved."""


class Recorder:
    """Stands in for a DataFrame while Great Expectations applies a domain's filters, and keeps them as columns."""

    def __init__(self, schema: T.StructType, filters: tuple[Column, ...] = ()) -> None:
        self.schema, self.filters = schema, filters

    def filter(self, condition: str | Column) -> Recorder:
        """Another one with this filter, too."""
        column = F.expr(condition) if isinstance(condition, str) else condition
        return Recorder(self.schema, (*self.filters, column))


def condition(metric: MetricConfiguration) -> Any:
    """The metric that holds the 'unexpected' condition which this one counts or lists; None where there is none."""
    dependencies = metric.metric_dependencies
    if "metric_partial_fn" in dependencies:
        dependencies = dependencies["metric_partial_fn"].metric_dependencies
    return dependencies.get("unexpected_condition")


def columns(accessor: Mapping[str, Any]) -> list[str]:
    """The columns of a domain, from what Great Expectations calls its accessor kwargs."""
    if "column_list" in accessor:
        return list(accessor["column_list"])
    return [accessor[name] for name in ("column", "column_A", "column_B") if name in accessor]


def sample_size(metric: MetricConfiguration) -> int:
    """How many unexpected values the result format shows."""
    return int(metric.metric_value_kwargs["result_format"]["partial_unexpected_count"])


def shaped(rows: Iterable[Any], metric: MetricConfiguration, known: Values) -> list[Any]:
    """Sampled rows as Great Expectations gives them: values of a column, tuples of a pair, mappings of more."""
    accessor = known[condition(metric).id][2]
    taken = [tuple(row) for row in rows][: sample_size(metric)]
    if "column_list" in accessor:
        return [dict(zip(accessor["column_list"], row, strict=True)) for row in taken]
    return [row[0] for row in taken] if "column" in accessor else taken
