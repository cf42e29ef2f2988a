"""Great Expectations' actions: a real one, told to a real server; and what becomes of one that can't be."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from perdure.core.errors import UsageError
from perdure.quality.actions import act
from perdure.quality.validation import validate

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SUITE = {"name": "sales", "expectations": [
    {"type": "expect_column_values_to_be_between", "kwargs": {"column": "id", "min_value": 0, "max_value": 3}},
    {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "id"}},
]}  # fmt: skip


@pytest.fixture(scope="module")
def result(spark: SparkSession) -> Any:
    """Of five rows, one rule that fails and one that holds, as the ledger stores it."""
    return json.loads(json.dumps(validate(spark.range(5).toDF("id"), SUITE).result))


@pytest.fixture
def heard() -> Iterator[tuple[str, list[Any]]]:
    """A server's address, and the JSON that was posted to it."""
    posted: list[Any] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", posted
    server.shutdown()


def test_slack_is_told_of_a_failure_and_only_of_that(heard: tuple[str, list[Any]], result: Any) -> None:
    url, posted = heard
    slack = {"type": "slack", "slack_webhook": url, "show_failed_expectations": True}
    given = [{**slack, "name": "bad", "notify_on": "failure"}, {**slack, "name": "good", "notify_on": "success"}]
    answers = act(given, result, "shop sales 2024-01-01", "abc" * 20)
    assert answers["bad"] == {"slack_notification_result": "Slack notification succeeded."}
    assert answers["good"] == {"slack_notification_result": "none required"}
    [message] = posted
    text = json.dumps(message)
    assert "shop sales 2024-01-01" in text
    assert "sales" in text


def test_teams_too(heard: tuple[str, list[Any]], result: Any) -> None:
    url, posted = heard
    act([{"type": "microsoft", "name": "teams", "teams_webhook": url}], result, "shop sales 2024-01-01", "abc" * 20)
    assert len(posted) == 1


def test_one_that_fails_costs_no_other(heard: tuple[str, list[Any]], result: Any) -> None:
    url, posted = heard
    mail = {"type": "email", "name": "mail", "smtp_address": "127.0.0.1", "smtp_port": "1", "receiver_emails": "a@b.c"}
    given = [mail, {"type": "slack", "name": "slack", "slack_webhook": url}]
    answers = act(given, result, "shop sales 2024-01-01", "abc" * 20)
    assert list(answers) == ["mail", "slack"]
    assert len(posted) == 1


@pytest.mark.parametrize("action", [{"type": "pigeon"}, {"type": "slack"}, {}])
def test_an_action_that_is_none(result: Any, action: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="expected an action of Great Expectations"):
        act([action], result, "shop sales 2024-01-01", "abc" * 20)
