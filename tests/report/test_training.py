from __future__ import annotations

from perdure.core.gate import GateLine, GateResult
from perdure.report.data import Comparison, Decision, PipelineFacts, ReportData, Trial
from perdure.report.training import decisions, trainings


def data_of(**parts: object) -> ReportData:
    return ReportData(PipelineFacts("p"), "", **parts)  # type: ignore[arg-type]


def test_consecutive_keeps_are_one_row_with_the_last_reason() -> None:
    rows = [Decision(f"2013-0{n}", "retrain", "keep", f"reason {n}") for n in (1, 2, 3)]
    rows += [
        Decision("2013-04", "retrain", "train", "drift"),
        Decision("2013-04", "deploy", "refuse", "worse", {}, "2", "z"),
    ]
    view = decisions(data_of(decisions=tuple(reversed(rows))))
    assert [(row.first, row.last, row.decision, row.count, row.reason) for row in view.rows] == [
        ("2013-04", "2013-04", "refuse", 1, "worse"),
        ("2013-04", "2013-04", "train", 1, "drift"),
        ("2013-01", "2013-03", "keep", 3, "reason 3"),
    ]
    assert (view.asked, view.trained, view.promoted, view.refused) == (4, 1, 0, 1)


def test_a_long_history_of_decisions_is_cut_and_counted() -> None:
    rows = tuple(Decision(f"20{n:02d}", "retrain", "train", "age") for n in range(90))
    view = decisions(data_of(decisions=rows))
    assert (len(view.rows), view.omitted, view.rows[0].first) == (60, 30, "2089")


def test_evidence_is_readable_and_bounded() -> None:
    evidence = {"loss": 0.123456, "columns": ["a", "b"], "text": "x" * 5000, **{f"k{n}": n for n in range(40)}}
    (row,) = decisions(data_of(decisions=(Decision("2013", "gate", "refuse", "", evidence),))).rows
    found = dict(row.evidence)
    assert found["loss"] == "0.1235"
    assert found["columns"] == '["a", "b"]'
    assert len(found["text"]) < 400
    assert found["…"] == "19 more"


def test_trials_are_sorted_by_loss_and_failed_ones_come_last() -> None:
    tried = (
        Trial("2013", 1, "gbt", {}, None),
        Trial("2013", 2, "gbt", {}, 0.5),
        Trial("2013", 3, "lr", {}, 0.4, chosen=True),
    )
    (training,), omitted = trainings(data_of(trials=tried))
    assert [trial.number for trial in training.trials] == [3, 2, 1]
    assert (training.family, training.promoted, omitted) == ("lr", None, 0)


def test_a_candidate_is_compared_in_the_metrics_own_direction() -> None:
    gate = GateResult("evaluate", (GateLine("log_loss", False, "0.7", "at most 0.6"),))
    metrics = {"rows": (10.0, 10.0), "log_loss": (0.7, 0.6), "area_under_roc": (0.8, 0.7), "brier": (0.2, None)}
    (training,), _ = trainings(data_of(comparisons=(Comparison("2013", "2", "1", metrics, gate),)))
    assert [(row.metric, row.better) for row in training.metrics] == [
        ("log_loss", False), ("area_under_roc", True), ("brier", None), ("rows", False)]  # fmt: skip
    assert training.promoted is False
