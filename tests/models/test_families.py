from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from perdure.core import registry
from perdure.core.errors import UsageError
from perdure.models import fitted
from perdure.testing.families import LAWS, Law

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("name", registry.names("perdure.models"))
def test_law(spark: SparkSession, name: str, law: Law) -> None:
    law(spark, name)


def test_the_families_are_those_of_the_folder() -> None:
    assert registry.names("perdure.models") == [
        "gbt", "linear_regression", "logistic_regression", "random_forest", "xgboost"]


def test_a_family_must_know_the_task() -> None:
    with pytest.raises(UsageError, match="'linear_regression' does regression, not binary; these do: gbt, log"):
        fitted.family("linear_regression", "binary")
    with pytest.raises(UsageError, match="did you mean 'gbt'"):
        fitted.family("gbm", "binary")
