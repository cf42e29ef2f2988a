"""Alerts to a real receiver on this machine: what arrives, when, and what when it can't."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from perdure.core.config import Alerts
from perdure.core.errors import PerdureError
from perdure.core.gate import GateLine, GateResult
from perdure.core.record import RunRecord
from perdure.io import notify
from perdure.policy.alerts import State
from perdure.run.alerting import enough, states_of

from .conftest import Here, copy_of


class Receiver(HTTPServer):
    """Keeps what is posted; `answer` is the status that it gives."""

    received: list[Any]
    answer = 200

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.server_port}/"


class _Keep(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        self.server.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.answer)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing on the terminal."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver(("127.0.0.1", 0), _Keep)
    server.received = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_is_sent_arrives(receiver: Receiver) -> None:
    pytest.importorskip("apprise")
    assert notify.send([receiver.url], "flights 2013-05: features drift", "Features drift. delay.\n\nLook deeper: x")
    (found,) = receiver.received
    assert found["title"] == "flights 2013-05: features drift"
    assert found["message"].splitlines() == ["Features drift. delay.", "", "Look deeper: x"]


def test_the_picture_goes_along(receiver: Receiver) -> None:
    pytest.importorskip("apprise")
    drawn = b"\x89PNG\r\n\x1a\n and so on"
    assert notify.send([receiver.url], "title", "body", drawn)
    (found,) = receiver.received
    (attached,) = found["attachments"]
    assert base64.b64decode(attached["base64"]) == drawn
    assert attached["mimetype"] == "image/png"


def test_a_receiver_that_refuses_is_told_apart(receiver: Receiver) -> None:
    pytest.importorskip("apprise")
    receiver.answer = 500
    assert not notify.send([receiver.url], "title", "body")


def test_an_unknown_service_is_an_error_that_keeps_the_secret() -> None:
    pytest.importorskip("apprise")
    with pytest.raises(PerdureError, match=r"entry 1 \(nosuch://") as caught:
        notify.send(["nosuch://token@host"], "title", "body")
    assert "token" not in str(caught.value)


def record(
    step: str, status: str = "done", subject: str = "", gate: GateResult | None = None, **facts: Any
) -> RunRecord:
    return RunRecord("id", "p", step, subject, "2013-05", "", "", status, "c", {}, 1, "", 1.0, "me", "local",
                     facts=facts, gate=gate)


def test_states_of_an_interval() -> None:
    gate = GateResult("model", (GateLine("log_loss", False, "0.7", "<= 0.6"),))
    lines = [{"rule": "realised: log_loss", "passed": True, "measured": "0.7 against 0.5"},
             {"rule": "age", "passed": True, "measured": "90 days"}]
    found = states_of([
        record("validate", "refused", "weather"), record("validate", subject="schedule"),
        record("monitor", drifted={name: ["ks_test"] for name in "gfedcba"}),
        record("retrain", decision="train", reason="Train: old.", evidence={"lines": lines}),
        record("evaluate", "refused", gate=gate)])
    assert found == {
        "data": State(True, "Refused: weather."), "drift": State(True, "a, b, c, d, e and 2 more."),
        "retrain": State(True, "Train: old."), "performance": State(True, "realised: log_loss 0.7 against 0.5."),
        "model": State(True, "FAIL critical log_loss: 0.7 (must be <= 0.6)")}


def test_no_more_than_was_asked_for() -> None:
    now = datetime(2024, 5, 2, 12, tzinfo=timezone.utc)
    alerts = Alerts.model_validate({"to": ["json://x"], "at_most": {"notices": 2, "per": "1 day"}})

    def told(hours: int, *, sent: bool = True, title: str = "x: features drift") -> RunRecord:
        started = (now - timedelta(hours=hours)).isoformat()
        return replace(record("alert", sent=sent, title=title), started_at=started)

    assert not enough([told(1), told(30)], alerts, now)
    assert enough([told(1), told(23)], alerts, now)
    assert not enough([told(1), told(2, sent=False), told(3, title="")], alerts, now)
    assert not enough([told(1), told(2), told(3)], Alerts(to=("json://x",)), now)


@pytest.mark.long
def test_a_lived_interval_is_told_once_with_its_picture(
        receiver: Receiver, lived: Path, tmp_path: Path, here: Here) -> None:
    """By the job itself, over a copy of a project that was lived without alerts."""
    pytest.importorskip("apprise")
    file = copy_of(lived, tmp_path / "project")
    file.write_text(file.read_text() + f'\nalerts: {{to: ["{receiver.url}"], at_most: {{notices: 1, per: 1 hour}}}}\n')
    here("jobs/alert.py", file, "--interval", "2016-06-17")  # the first training was due
    (found,) = receiver.received
    assert found["title"].startswith("buoy 2016-06-17: ")
    assert "a training is due" in found["title"]
    assert "Look deeper: ./spark-submit.sh jobs/report.py" in found["message"]
    here("jobs/alert.py", file, "--interval", "2016-06-17")
    here("jobs/alert.py", file, "--interval", "2016-06-18")
    assert len(receiver.received) == 1


def test_features_that_part_are_drift() -> None:
    apart = {"drifted": True, "columns": {"temp": 0.5, "dewp": 0.2}}
    found = states_of([record("monitor", drifted={}, multivariate=apart)])
    assert found["drift"] == State(True, "Features no longer go together as in the training, most temp, dewp.")


def test_unusual_data_are_amiss_too() -> None:
    rows = [{"text": "rows is 3, expected 200 to 300"}]
    found = states_of([record("validate", subject="weather", unusual=rows),
                       record("monitor", drifted={}, unusual=[{"text": f"c{at}: mean is 9"} for at in range(7)])])
    assert found["data"].amiss
    assert found["data"].reason.startswith("Unusual: weather rows is 3, expected 200 to 300; c0: mean is 9;")
    assert found["data"].reason.endswith("; and 3 more.")


def test_what_was_not_measured_has_no_state() -> None:
    assert states_of([]) == {}
    assert states_of([record("monitor", "failed")]) == {}
    assert states_of([record("validate", subject="s"), record("monitor", drifted={})]) == {
        "data": State(False), "drift": State(False)}
