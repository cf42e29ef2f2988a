"""A pipeline of six days whose second candidate is bad on purpose: the labels that it learnt from were upside down.

Each day has 400 parcels, late if heavy or from town t2. Every candidate is trained on one day; the gate lets all pass.
"""

from __future__ import annotations

from pathlib import Path

PIPELINE = """\
pipeline: parcels
targets: {local: {storage: .data/parcels, tracking: "sqlite:///.data/mlflow.db", default: true}}
interval: 1 day
start: 2024-01-01
end: 2024-01-07
sources:
  parcels:
    format: csv
    path: .data/landing/{interval}.csv
    schema: {id: bigint, at: timestamp, weight: double, town: string, late: int}
    options: {header: true}
    key: [id]
    event_time: at
features: {sql: pipelines/parcels.sql, key: id, event_time: at}
label: {column: late, from: parcels}
model: {task: binary, families: [logistic_regression], tune: {trials: 1}}
train: {window: 2 days, holdout: 1 day, minimum: 2 days}
rollout: {kind: canary, steps: [10, 50], bake: 1, worse_by: 0.25}
monitor: {slices: [town]}
retrain: {when: {any: [{age: 2 days}]}}
"""
ROWS, DAYS = 400, 6
UPSIDE_DOWN = 2


def project(folder: Path) -> Path:
    """Writes the project; gives the pipeline file."""
    landing = folder / ".data" / "landing"
    landing.mkdir(parents=True)
    (folder / "pipelines").mkdir()
    (folder / "setup.cfg").touch()
    (folder / "pipelines" / "parcels.sql").write_text("SELECT id, at, weight, town FROM parcels")
    file = folder / "pipelines" / "parcels.yml"
    file.write_text(PIPELINE)
    for day in range(1, DAYS + 1):
        lines = [_line(day, number) for number in range(ROWS)]
        (landing / f"2024-01-{day:02d}.csv").write_text("\n".join(["id,at,weight,town,late", *lines]) + "\n")
    return file


def _line(day: int, number: int) -> str:
    key = day * 1000 + number
    weight, town, chance = (key * 37 % 101) / 10, f"t{key * 13 % 7 % 3}", (key * 7919 % 97) / 97
    late = int(weight + 3 * (town == "t2") > 4 + 5 * chance)
    late = 1 - late if day == UPSIDE_DOWN else late
    minute = number * 3
    return f"{key},2024-01-{day:02d}T{minute // 60:02d}:{minute % 60:02d}:00Z,{weight},{town},{late}"
