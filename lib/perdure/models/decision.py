"""When a probability counts as class 1: above a threshold, or above that of the row's own group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from perdure.core.identifiers import quoted

if TYPE_CHECKING:
    from pyspark.ml import Transformer
    from pyspark.sql import Column, DataFrame

    from .compiled import Compiled


@dataclass(frozen=True)
class Decision:
    """Class 1 where the probability is above `threshold`; for a value of the column `group` that is in `groups`, above
    that one's own."""

    threshold: float
    group: str = ""
    groups: Mapping[str, float] = field(default_factory=dict)

    def bound(self, group: Column | None = None) -> Column:
        """The row's threshold; `group`: where its group is not in the column of that name, but here, as text."""
        from pyspark.sql import functions as F

        whole = F.lit(self.threshold)
        if not self.groups:
            return whole
        value = F.col(quoted(self.group)).cast("string") if group is None else group
        found = whole
        for name, threshold in sorted(self.groups.items()):
            found = F.when(value == name, F.lit(threshold)).otherwise(found)
        return found

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


@dataclass(frozen=True)
class Decided:
    """A model and what is made of its probabilities."""

    model: Transformer | Compiled
    decision: Decision

    def decide(self, scored: DataFrame) -> DataFrame:
        """`scored` with `prediction` anew, from `probability` and the row's group."""
        from pyspark.sql import functions as F

        above = F.col("probability") > self.decision.bound()
        return scored.withColumn("prediction", F.when(above, F.lit(1.0)).otherwise(F.lit(0.0)))
