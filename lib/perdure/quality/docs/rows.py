"""How a page of Data Docs shows each expectation: as Great Expectations does, and those unknown to it by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from great_expectations.exceptions.exceptions import ExpectationNotFoundError
from great_expectations.render.renderer.content_block.validation_results_table_content_block import (
    ValidationResultsTableContentBlockRenderer,
)


class Rows(ValidationResultsTableContentBlockRenderer):
    """One unknown expectation doesn't keep the others from their page."""

    @classmethod
    def _get_content_block_fn_from_expectation_description(cls, expectation_config: Any) -> Callable[..., Any] | None:
        try:
            found: Callable[..., Any] | None = super()._get_content_block_fn_from_expectation_description(
                expectation_config
            )
        except ExpectationNotFoundError:
            return None
        return found
