"""Great Expectations' result objects from their stored JSON."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any


def loaded(result: Mapping[str, Any], meta: Mapping[str, Any]) -> Any:
    """The `ExpectationSuiteValidationResult` of a run's stored `result`, with `meta` added to its own."""
    from great_expectations.core.expectation_validation_result import (
        ExpectationSuiteValidationResult,
        ExpectationSuiteValidationResultSchema,
    )

    found = ExpectationSuiteValidationResultSchema().load({**result, "meta": {**result.get("meta", {}), **meta}})
    return found if isinstance(found, ExpectationSuiteValidationResult) else ExpectationSuiteValidationResult(**found)


@contextmanager
def quiet() -> Iterator[None]:
    """Great Expectations' warnings and log lines off: what they say stands in the results."""
    logger = logging.getLogger("great_expectations")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
