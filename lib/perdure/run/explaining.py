"""What a model leans on, found once a training; and the explainer of a stored version."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from perdure.core.errors import PerdureError
from perdure.core.identifiers import quoted
from perdure.core.record import JSON
from perdure.models import explained, importance

from .context import Context

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_STEPS = 1_000_000
_SPARE = 3  # how many times the sample is read, so that a poor estimate still fills it


def summary(context: Context, trained: Any, version: str) -> JSON:
    """What a model just trained leans on, from a sample of its holdout (see `models.importance`). None without
    labelled rows there; `why_not` alone for a model that can't be explained exactly."""
    pipeline = context.pipeline
    try:
        told = explained.explainer(trained.model, context.tracking.files(version))
    except PerdureError as error:
        return {"why_not": str(error)}
    rows = _sampled(trained, pipeline.features.key, _SPARE * max(importance.sample_sizes(told)))
    return importance.summarise(trained.model, told, rows, pipeline.features.key,
                                binary=trained.task == "binary", seed=pipeline.model.seed)  # fmt: skip


def _sampled(trained: Any, key: str, wanted: int) -> DataFrame:
    """About so many rows of the holdout, by the hash of their key; how many it has is told from the training rows."""
    from pyspark.sql import functions as F

    span: datetime = trained.until - trained.since
    held = trained.cut - trained.until
    share = wanted / max(1.0, trained.rows_trained * held / span)
    rows: DataFrame = trained.holdout
    return rows if share >= 1 else rows.where(F.pmod(F.xxhash64(quoted(key)), F.lit(_STEPS)) < int(share * _STEPS))


def explainer_of(context: Context, version: str, summary: Mapping[str, Any] | None) -> explained.Explainer:
    """The explainer of a stored version. `summary`: what its training found. Raises PerdureError for a linear model
    without one: what its rows are held against isn't known."""
    found = explained.explainer(context.tracking.load(version), context.tracking.files(version))
    if found.trees:
        return found
    if not summary or not summary.get("means"):
        raise PerdureError(f"model version {version} was trained without a summary of what it leans on, so there are "
                           "no means to hold its rows against; the next training has one")  # fmt: skip
    import numpy as np

    return explained.against(found, np.array(summary["means"]))


def attributions(context: Context, version: str, summary: Mapping[str, Any] | None, rows: DataFrame) -> dict[str, JSON]:
    """What a version leans on in an interval, held against its training's `summary`, as fact `attributions`
    (`drift.attributions`); `why_not` alone where it can't be told."""
    from perdure.drift.attributions import facts

    known = (summary or {}).get("importance")
    if not known:
        why = (summary or {}).get("why_not") or f"the training of version {version} told no contributions"
        return {"attributions": {"why_not": why}}
    told = explainer_of(context, version, summary)
    now = importance.contributions(context.tracking.load(version), told, rows, context.pipeline.features.key)
    return {"attributions": facts(known, now)} if now else {}
