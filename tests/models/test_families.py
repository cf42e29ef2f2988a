from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from perdure.core import registry
from perdure.core.errors import UsageError
from perdure.core.space import Choice, Integer
from perdure.models import fitted, gbt
from perdure.testing.families import LAWS, Law, smallest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("name", registry.names("perdure.models"))
def test_law(spark: SparkSession, name: str, law: Law) -> None:
    law(spark, name)


def test_the_families_are_those_of_the_folder() -> None:
    assert registry.names("perdure.models") == [
        "gbt", "generalized_linear_regression", "linear_regression", "logistic_regression", "random_forest",
        "sklearn_hist_gradient_boosting", "xgboost"]


def test_a_family_must_know_the_task() -> None:
    with pytest.raises(UsageError, match="'linear_regression' does regression, not binary; these do: gbt, log"):
        fitted.family("linear_regression", "binary")
    with pytest.raises(UsageError, match="did you mean 'gbt'"):
        fitted.family("gbm", "binary")


def test_a_space_is_changed_and_added_to(spark: SparkSession) -> None:
    changed = {"maxDepth": Integer(2, 9), "subsamplingRate": Choice((1.0,))}
    space = fitted.space("gbt", "binary", changed)
    assert space == {**gbt.space, **changed}
    unfitted = fitted.estimator("gbt", smallest(space), "binary", seed=1, bins=32)
    assert unfitted.getOrDefault("subsamplingRate") == 1.0
    with pytest.raises(UsageError, match=r"no parameter 'maxDeep' \(did you mean 'maxDepth'\?\); it has: cache"):
        fitted.space("gbt", "binary", {"maxDeep": Integer(2, 9)})
    assert fitted.space("gbt", "binary", {}) == gbt.space
