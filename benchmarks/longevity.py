"""Longevity: how good models stay, month after month out of time, by the policy that renews them.

    ./spark-submit.sh benchmarks/longevity.py [pipelines/flights.yml] [--target NAME] [--only NAME ...] [--json FILE]

The pipeline's target must have been lived already (jobs/run.py): that life, under the pipeline's own policy, is the
first row. The others live the same features and labels again, each in a scratch target below that one's storage, with
the same model families and search: never retrained; every month on the last three months; every month on all history
(both without a gate: what was trained serves). Interrupted, it resumes. Prints a row a policy: trainings, and the means
of log loss and area under ROC over the months in which every policy was measured (April to December for the flights);
with --json also the months.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from perdure.cli import opened
from perdure.core.conditions import Retrain
from perdure.core.config import Gate, Pipeline, Train
from perdure.run.scratch import Life, life, live, means

METRICS = {"binary": ("log_loss", "area_under_roc"), "multiclass": ("log_loss", "accuracy"),
           "regression": ("rmse", "mae")}


def policies(pipeline: Pipeline) -> dict[str, dict[str, Any]]:
    """Name to changed sections. A window holds the holdout, too: three months are 13 weeks, and the flights' two."""
    train, every, blind = pipeline.train, Retrain(when="always"), Gate(mode="off")
    first = str(train.minimum or train.window)

    def window(text: str) -> Train:
        return Train.model_validate({"window": text, "holdout": str(train.holdout), "minimum": first})

    return {
        "never": {"retrain": Retrain(when="never"), "gate": blind},
        "last 3 months": {"retrain": every, "gate": blind, "train": window("15 weeks")},
        "all history": {"retrain": every, "gate": blind, "train": window("120 months")},
    }


def table(lives: list[Life], metrics: tuple[str, ...]) -> str:
    """A row a policy, its means over the months that all have."""
    common = set.intersection(*({month.interval for month in each.months if month.metrics} for each in lives))
    lines = [f"{'policy':16} {'trainings':>9} {'promoted':>9} " + " ".join(f"{name:>15}" for name in metrics)]
    for each in lives:
        over = means(month for month in each.months if month.interval in common)
        figures = " ".join(f"{over.get(name, float('nan')):15.4f}" for name in metrics)
        lines.append(f"{each.name:16} {each.trainings:9} {each.promotions:9} {figures}")
    span = f"{min(common)} to {max(common)}" if common else "none"
    return "\n".join([*lines, f"months in which every policy was measured: {len(common)} ({span})"])


def main(file: str, target: str | None, only: list[str], output: Path | None) -> None:
    """Lives what is missing, then prints the table."""
    with opened(file, target) as context:
        wanted = policies(context.pipeline)
        names = only or list(wanted)
        lives = [life(context, "the default"), *(live(context, wanted[name], name) for name in names)]
        metrics = METRICS[context.pipeline.model.task]
    sys.stdout.write(table(lives, metrics) + "\n")
    if output is not None:
        output.write_text(json.dumps([each.to_dict() for each in lives], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", default="pipelines/flights.yml")
    parser.add_argument("--target")
    parser.add_argument("--only", nargs="*", default=[], choices=["never", "last 3 months", "all history"])
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    main(given.file, given.target, given.only, given.json)
