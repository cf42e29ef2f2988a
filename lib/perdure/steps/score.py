"""Predictions for rows of features: of the version that serves, and of the one that is being rolled out beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perdure.core.config import Pipeline
from perdure.core.identifiers import quoted
from perdure.core.protocols import StepResult, Write
from perdure.models.fitted import predict

if TYPE_CHECKING:
    from pyspark.ml import Transformer
    from pyspark.sql import Column, DataFrame

    from perdure.models.compiled import Compiled
    from perdure.models.decision import Decided

CHAMPION, CHALLENGER, SHADOW = "champion", "challenger", "shadow"
_ANSWERS = ("prediction", "probability", "probabilities")


@dataclass(frozen=True)
class Scorer:
    """A model and its version. `share`: the per cent of the keys that a challenger serves; 0: it only looks on."""

    model: Transformer | Compiled | Decided
    version: str
    share: int = 0


def score(features: DataFrame, *, champion: Scorer, challenger: Scorer | None = None, pipeline: Pipeline) -> StepResult:
    """Appends to `predictions`: key, event time, `prediction` and `probability` (`models.fitted.outputs`; of several
    classes also `probabilities`, and `class`, the predicted one's name), `model_version` and `role`. Lazy: the write
    computes it, in one pass.

    With a challenger each key has two rows, one of each version: the one that serves the key has the role champion or
    challenger, the other one shadow. Which keys the challenger serves is told by a hash of key and version, so that a
    larger share holds all keys of a smaller one."""
    from pyspark.sql import functions as F

    task = pipeline.model.task
    keys = [F.col(quoted(name)) for name in (pipeline.features.key, pipeline.features.event_time)]
    facts = {"model_version": champion.version, "role": CHAMPION}
    rows = predict(champion.model, features, task)
    classes = pipeline.label.classes
    if challenger is None:
        told = rows.select(*keys, *_told(champion.version, F.lit(CHAMPION), classes))
        return StepResult((Write("predictions", told, "append"),), facts)
    aside = rows.withColumnsRenamed({name: f"_first_{name}" for name in _ANSWERS})
    both = predict(challenger.model, aside, task)
    served = serves(challenger.version, challenger.share, pipeline.features.key)
    role = F.when(served, SHADOW).otherwise(CHAMPION)
    first = F.struct(*_told(champion.version, role, classes, "_first_"))
    second = F.struct(*_told(challenger.version, F.when(served, CHALLENGER).otherwise(SHADOW), classes))
    told = both.select(*keys, F.inline(F.array(first, second)))
    more = {"challenger_version": challenger.version, "challenger_share": challenger.share}
    return StepResult((Write("predictions", told, "append"),), {**facts, **more})


def serves(version: str, share: int, key: str) -> Column:
    """Whether a challenger serves a key."""
    from pyspark.sql import functions as F

    return F.pmod(F.xxhash64(F.col(quoted(key)), F.lit(version)), F.lit(100)) < F.lit(share)


def _told(version: str, role: Column, classes: Sequence[str], prefix: str = "") -> list[Column]:
    from pyspark.sql import functions as F

    number, chance, each = (F.col(prefix + name) for name in _ANSWERS)
    named = F.get(F.array(*map(F.lit, classes)), number.cast("int"))
    several = [each.alias("probabilities"), named.alias("class")] if classes else []
    return [number.cast("double").alias("prediction"), chance.alias("probability"), *several,
            F.lit(version).alias("model_version"), role.alias("role")]
