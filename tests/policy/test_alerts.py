"""A notice on a change of state, once."""

from __future__ import annotations

from perdure.policy.alerts import SENTENCES, State, message

ON = tuple(SENTENCES)


def test_a_change_is_told_with_its_reason_and_the_command() -> None:
    states = {"drift": State(True, "delay, hour.")}
    found = message("flights 2013-05", states, {}, ON, "./spark-submit.sh jobs/report.py x")
    assert found is not None
    assert found.title == "flights 2013-05: features drift"
    assert found.body == "Features drift. delay, hour.\n\nLook deeper: ./spark-submit.sh jobs/report.py x"
    assert found.changed == ("drift",)


def test_what_has_not_changed_is_not_told_again() -> None:
    states = {"drift": State(True, "delay."), "data": State(False)}
    assert message("x", states, {"drift": True}, ON, "y") is None
    assert message("x", {"data": State(False)}, {}, ON, "y") is None


def test_the_end_is_told_too() -> None:
    found = message("x", {"drift": State(False), "retrain": State(True, "Train: old.")}, {"drift": True}, ON, "y")
    assert found is not None
    assert found.title == "x: no feature drifts any more; a training is due"


def test_only_what_was_asked_for() -> None:
    assert message("x", {"drift": State(True)}, {}, ("data",), "y") is None
