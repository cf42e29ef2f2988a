"""Blessings: a model version is loaded and run where it is to score, and only scores where that went well.

A blessing is a fact of a `deploy` run, or of a `bless` run (`jobs/deploy.py --recheck`): the environment it was found
in, and how the golden rows came out. `require` holds the present environment against all blessings of a version.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from perdure.core import registry
from perdure.core.errors import EnvironmentMismatch, PerdureError
from perdure.core.gate import GateLine, GateResult, Severity
from perdure.core.interval import Interval
from perdure.core.protocols import StepResult
from perdure.core.record import JSON, RunRecord
from perdure.io import environment
from perdure.policy.environment import BROKEN, compare, table

from .champion import Champion
from .context import Context
from .engine import Inputs, Plan, command
from .plans import plain
from .serving import MLLIB, golden_rows, stored

# So many times 300 rows are enough to tell rows a second from the start of a query, roughly.
_COPIES = 20


def surroundings(context: Context, trained: RunRecord) -> dict[str, str]:
    """The present environment, with the packages that scoring with the version of this training needs."""
    family = str(trained.facts.get("family", ""))
    known = family in registry.names("perdure.models")
    own = getattr(registry.load("perdure.models", family), "packages", ()) if known else ()
    loads = ("mlflow",) if (trained.facts.get("serving") or {}).get("form") == MLLIB else ()
    needed = dict.fromkeys(["pyspark", "numpy", *loads, *own, *context.pipeline.gate.environment_rules.packages])
    here = environment.describe(context.spark, needed)
    if own and here["cluster"] != "local":  # there, tasks run the driver's own Python
        here |= environment.packages_in_tasks(context.spark, own)
    return here


def check(context: Context, trained: RunRecord) -> tuple[GateResult, dict[str, JSON]]:
    """The version of a training loaded and run here, on its golden rows: gate lines, and the blessing's facts."""
    rules, mode = context.pipeline.gate.environment_rules, context.pipeline.gate.environment
    here = surroundings(context, trained)
    severity: Severity = "critical" if mode == "enforce" else "warning"
    lines = [GateLine(name, False, found, "loadable", severity) for name, found in here.items()
             if BROKEN in found or (name.startswith("package ") and found == "not there")]
    facts: dict[str, Any] = {"model_version": str(trained.facts["model_version"]), "environment": here}
    bound = f"those of MLlib at the training, within {rules.tolerance:g}"
    try:
        measured, fine, more = _run(context, trained, rules.tolerance)
        facts |= more
    except Exception as error:  # whatever keeps the model from running here is what is to be told
        measured, fine = f"{type(error).__name__}: {str(error).splitlines()[0][:300]}", False
    lines.append(GateLine("predictions on golden rows", fine, measured, bound, severity))
    result = GateResult("environment", tuple(lines))
    return result, {**facts, "blessed": not result.failures}


def _run(context: Context, trained: RunRecord, tolerance: float) -> tuple[str, bool, dict[str, JSON]]:
    golden = golden_rows(context, trained.facts)
    if golden is None:
        raise PerdureError("the version has no golden rows, since it was trained before there were any; train again")
    model, form = stored(context, trained.facts, anew=True)
    began = time.monotonic()
    found = golden.check(model, context.spark, copies=_COPIES)
    seconds = time.monotonic() - began
    measured = (f"{found.different} of {len(golden.rows)} differ in class" if found.different else
                f"the largest difference of {len(golden.rows)} rows is {found.largest:.2g}")
    return measured, found.within(tolerance), {
        "scored_by": form, "golden_rows": len(golden.rows), "different": found.different,
        "largest_difference": found.largest, "rows_per_second": round(found.rows / seconds),
        "peak_memory_mib": environment.peak_memory(),
    }


def recheck(context: Context, interval: Interval, champion: Champion) -> Plan:
    """The version that serves an interval, checked again where this session runs."""
    gate = context.pipeline.gate
    before = [record.run_id for record in context.ledger.records
              if record.step == "bless" and record.subject == f"v{champion.version}"]

    def call(inputs: Inputs, run_id: str) -> StepResult:
        result, facts = check(context, champion.train)
        return StepResult(facts={"blessing": facts, "reason": said(result)}, gate=result)

    config = {"environment": gate.environment, "rules": plain(gate.environment_rules)}
    return Plan("bless", interval, config, call, subject=f"v{champion.version}",
                identity=[champion.train.run_id, *before])


def said(result: GateResult) -> str:
    """What came of a check, as a reason."""
    return "; ".join(line.sentence for line in result.failures) or "its golden rows came out as at the training"


def blessings(context: Context, version: str) -> Mapping[str, Mapping[str, str]]:
    """The environments that a version is blessed for, by the run that blessed it."""
    found = {}
    for record in context.ledger.records:
        blessing = record.facts.get("blessing") or {}
        if blessing.get("model_version") == version and blessing.get("blessed"):
            found[record.run_id] = blessing["environment"]
    return found


def require(context: Context, trained: RunRecord, interval: Interval) -> dict[str, JSON]:
    """Raises EnvironmentMismatch, with the differences, unless the version of a training is blessed for where this
    session runs; facts for the record. A dry run only says so; nothing is asked where the gate is off."""
    gate, version = context.pipeline.gate, str(trained.facts["model_version"])
    if gate.environment == "off":
        return {}
    known = blessings(context, version)
    again = f"{command(context, 'deploy', interval)} --recheck"
    if not known:
        problem = f"model version {version} was never checked in any environment. Check it in this one: {again}"
        return _refuse(context, problem, "never checked")
    here = surroundings(context, trained)
    results = {run: compare(was, here, gate.environment_rules, "enforce") for run, was in known.items()}
    nearest = min(reversed(results), key=lambda run: len(results[run].failures))
    if results[nearest].passed:
        return {"blessed_by": nearest}
    problem = (f"model version {version} is not blessed for this environment:\n{table(results[nearest])}\n"
               f"Score where it was checked, or check it in this one: {again}\n"
               "What may differ is set by gate.environment_rules in the pipeline file")
    return _refuse(context, problem, _differences(results[nearest]))


def _differences(result: GateResult) -> list[str]:
    return [f"{line.rule}: {line.measured}, checked with {line.bound}" for line in result.failures]


def _refuse(context: Context, problem: str, differences: JSON) -> dict[str, JSON]:
    if context.pipeline.gate.environment == "enforce":
        raise EnvironmentMismatch(problem)
    context.progress.say(f"warning: {problem}")
    return {"environment_differences": differences}
