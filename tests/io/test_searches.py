"""What the tracking server keeps of a search."""

from __future__ import annotations

from pathlib import Path

from perdure.io.searches import Search
from perdure.io.tracking import Tracking, TrialLog


def test_a_trial_that_ends_twice_is_kept_once_as_it_ended_last(tmp_path: Path) -> None:
    tracking = Tracking("sqlite:///mlflow.db", "sea", root=tmp_path, artifacts=str(tmp_path / "models"))
    search = Search(tracking, "run 1", "train", {"perdure.interval": "2024"})
    search.keep(TrialLog("trial 0 gbt", {"maxDepth": 3}, {"early_loss": 0.5, "loss": 0.5}, "KILLED", "a share"))
    search.keep(TrialLog("trial 1 gbt", {"maxDepth": 4}, {"early_loss": 0.7, "loss": 0.7}, "KILLED", "no more"))
    search.keep(TrialLog("trial 0 gbt", {"maxDepth": 3}, {"early_loss": 0.5, "loss": 0.4}, "FINISHED", "all"))
    search.keep(TrialLog("trial 1 gbt", {"maxDepth": 4}, {}, "FAILED"))
    assert sorted(search.ended()) == ["all", "no more"]
    first, second = (tracking._client.get_run(search.kept[f"trial {n} gbt"]) for n in (0, 1))
    assert (first.info.status, first.data.metrics) == ("FINISHED", {"early_loss": 0.5, "loss": 0.4})
    assert second.info.status == "FAILED"
    assert len(tracking._tagged("mlflow.parentRunId", search.run)) == 2
    # Another search, and the same one after it was cut off.
    assert Search(tracking, "run 2", "train", {}).ended() == []
    assert sorted(Search(tracking, "run 1", "train", {}).ended()) == ["all", "no more"]
