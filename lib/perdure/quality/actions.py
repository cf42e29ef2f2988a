"""Great Expectations' own notification actions on a validation's result, without a checkpoint and its files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from perdure.core.errors import UsageError

from .results import loaded, quiet


def act(
    actions: Sequence[Mapping[str, Any]], result: Mapping[str, Any], subject: str, run_id: str
) -> dict[str, Any]:
    """Runs the actions on a suite result (JSON), in their order; gives what each answered, by its name. One that fails
    costs neither the others nor the validation: its answer says so. `subject`: what was validated, for people. Raises
    UsageError for an action that Great Expectations doesn't know, or not with these settings."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx
    from great_expectations.checkpoint.actions import ActionContext

    built = [_built(action) for action in actions]
    answers: dict[str, Any] = {}
    with quiet():
        gx.get_context(mode="ephemeral")  # actions ask it for secrets and for pages
        checkpoint = _checkpoint_result(result, subject, run_id)
        shared = ActionContext()
        for action in built:
            try:
                answer = action.run(checkpoint_result=checkpoint, action_context=shared)
                shared.update(action, answer)
            except Exception as error:  # whatever a service or its client raises; its text may hold secrets
                answer = {"failed": type(error).__name__}
            answers[action.name] = {key: str(value) for key, value in answer.items()}
    return answers


def _built(action: Mapping[str, Any]) -> Any:
    from great_expectations.checkpoint.actions import _VALIDATION_ACTION_REGISTRY as KNOWN

    kind = action.get("type")
    try:
        return KNOWN.get(kind)(**{"name": str(kind), **action})
    except Exception as error:
        reason = str(error).replace("\n", " ") or f"there is no action of type '{kind}'"
        raise UsageError(f"validation: actions: {kind}: expected an action of Great Expectations: {reason}") from error


def _checkpoint_result(result: Mapping[str, Any], subject: str, run_id: str) -> Any:
    from great_expectations.checkpoint.checkpoint import Checkpoint, CheckpointResult
    from great_expectations.core import RunIdentifier
    from great_expectations.data_context.types.resource_identifiers import (
        ExpectationSuiteIdentifier,
        ValidationResultIdentifier,
    )

    run = RunIdentifier(run_name=run_id[:12], run_time=datetime.now(timezone.utc))
    suite = loaded(result, {"run_id": run})
    key = ValidationResultIdentifier(ExpectationSuiteIdentifier(suite.suite_name), run, subject)
    named = Checkpoint.construct(name=subject, validation_definitions=[], actions=[])
    return CheckpointResult.construct(
        run_id=run, run_results={key: suite}, checkpoint_config=named, success=suite.success
    )
