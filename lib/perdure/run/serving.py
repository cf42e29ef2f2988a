"""What scores for a model version: its compiled form where that was proven equal, else MLlib's own transform.

Beside each stored model lie its golden rows with MLlib's answers, its compiled form, and `FACTS`, which says what came
of comparing the two.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perdure.core.record import JSON
from perdure.models.compiled import Compiled, NotCompilable, compiled
from perdure.models.decision import Decided, Decision
from perdure.models.golden import Golden, answered, choose

from .context import Context

if TYPE_CHECKING:
    from pyspark.ml import Transformer

GOLDEN, SQL, FACTS = "perdure/golden.json", "perdure/compiled.json", "perdure/serving.json"
COMPILED, MLLIB = "compiled SQL", "MLlib"


def equip(trained: Any, context: Context, folder: Path) -> None:
    """Writes a new model's golden rows and compiled form into the folder that MLflow saved it to."""
    pipeline = context.pipeline
    golden = choose(trained.holdout, trained.columns, pipeline.features.key, pipeline.model.task)
    short, why = None, ""
    try:
        short = compiled(trained.model, str(folder / "sparkml"))
    except NotCompilable as error:
        why = str(error)
    golden, found = answered(golden, trained.model, short, context.spark)
    facts: dict[str, Any] = {"form": MLLIB, "golden_rows": len(golden.rows)}
    if short is not None and found is not None:
        facts |= {"different": found.different, "largest_difference": found.largest}
        why = "" if found.equal else (f"the compiled form differs from MLlib on {found.different} golden rows of "
                                      f"{found.rows}, by up to {found.largest:.3g}")
        facts["form"] = COMPILED if found.equal else MLLIB
    if trained.decision is not None:
        facts["decision"] = trained.decision.to_dict()
    if why:
        facts["why"] = why
    (folder / GOLDEN).parent.mkdir()
    (folder / GOLDEN).write_text(golden.to_json(), encoding="utf-8")
    (folder / FACTS).write_text(json.dumps(facts), encoding="utf-8")
    if short is not None:
        (folder / SQL).write_text(short.to_json(), encoding="utf-8")


def scorer(context: Context, made: Mapping[str, JSON]) -> tuple[Transformer | Compiled | Decided, str]:
    """What scores for the version that a training made (its facts), decisions included; and the name of that form."""
    model, form = stored(context, made)
    decision = (made.get("serving") or {}).get("decision")
    return (Decided(model, Decision(**decision)) if decision else model), form


def stored(context: Context, made: Mapping[str, JSON], *, anew: bool = False) -> tuple[Transformer | Compiled, str]:
    """The model as it is kept, which decides at 0.5, and the name of its form. The compiled form is one small file;
    MLlib's is loaded through MLflow, once a process unless `anew`."""
    if (made.get("serving") or {}).get("form") == COMPILED:
        return Compiled.from_json(context.tracking.read(made["location"], SQL)), COMPILED
    return context.tracking.load(str(made["model_version"]), anew=anew), MLLIB


def golden_rows(context: Context, made: Mapping[str, JSON]) -> Golden | None:
    """The golden rows of the version that a training made; None for one of before there were any."""
    if "serving" not in made:
        return None
    return Golden.from_json(context.tracking.read(made["location"], GOLDEN))
