"""The policy's word on which way a metric is better, against the metrics themselves."""

from __future__ import annotations

import pytest

from perdure.core import registry
from perdure.policy.evidence import LOWER_IS_BETTER

METRICS = "perdure.evaluation.metrics"


@pytest.mark.parametrize("name", registry.names(METRICS))
def test_direction_is_the_metric_s_own(name: str) -> None:
    assert (registry.load(METRICS, name).direction == "lower") is (name in LOWER_IS_BETTER)
