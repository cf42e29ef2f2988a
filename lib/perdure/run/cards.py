"""Model cards: filled from the ledger alone, written as files, kept with the version's run in MLflow."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from perdure.core.config import Pipeline
from perdure.core.errors import PerdureError, UsageError
from perdure.core.record import RunRecord
from perdure.report.card import CardFacts

from . import audit
from .context import Context
from .engine import command
from .gather import default_file
from .lineage import Lineage


def facts(context: Context, version: str) -> CardFacts:
    """What a version's card is made of. Raises UsageError when the ledger knows no such version."""
    lineage = Lineage(context.ledger.records)
    trained, judged = lineage.training(version), _judged(lineage, context.ledger.records, version)
    known = audit.model(lineage, version)
    if trained is None and known["decision"] is None:
        versions = sorted({int(each.facts["model_version"]) for each in lineage.trainings()})
        raise UsageError(f"the ledger knows no model version {version}; it knows: {versions or 'none yet'}")
    if judged is not None:
        known["evaluation"] = known["evaluation"] or audit.evaluation(judged)
    p, made = context.pipeline, trained.facts if trained else {}
    interval = trained.interval if trained else ""
    commands = [("train it again, and compare", f"{command(context, 'reproduce', None)} {version}"),
                ("everything behind it", f"{command(context, 'audit', None)} --model {version}"),
                ("prove the ledger", f"{command(context, 'audit', None)} --verify"),
                ("this card", f"{command(context, 'card', None)} {version}")]  # fmt: skip
    return CardFacts(
        pipeline=p.pipeline, target=p.target, description=p.description, version=version,
        generated_at=datetime.now(timezone.utc).isoformat(timespec="seconds"), task=p.model.task, metric=p.metric,
        label=_label(p), key=p.features.key, interval=interval, excluded=p.model.exclude, model=known,
        judged=judged.facts if judged else {}, leans=made.get("explanation") or {}, commands=commands,
        mitigation=made.get("mitigation") or {}, threshold=made.get("decision") or {},
    )  # fmt: skip


def _judged(lineage: Lineage, records: Sequence[RunRecord], version: str) -> RunRecord | None:
    """The run that judged a version: the one that its deployment names; before that, the newest of its interval."""
    found = lineage.evaluation(version)
    trained = lineage.training(version)
    if found is None and trained is not None:
        later = [each for each in records if each.step == "evaluate" and each.interval == trained.interval
                 and each.status in ("done", "refused") and each.started_at > trained.started_at]  # fmt: skip
        found = later[-1] if later else None
    return found


def _label(pipeline: Pipeline) -> str:
    """What is predicted, in a sentence or two."""
    label, task = pipeline.label, pipeline.model.task
    rule = f" ({label.expression})" if label.expression else ""
    kinds = {"binary": "The probability of", "multiclass": f"Which of {', '.join(label.classes)} is the"}
    start = kinds.get(task, "The number")
    known = pipeline.sources[label.source].available_after
    after = f" Outcomes are known {known} after the event." if known.count else ""
    text = f"{start} {label.column}{rule}, for each {pipeline.features.key}.{after}"
    return f"{text} {pipeline.description}" if pipeline.description else text


def texts(context: Context, version: str) -> dict[str, str]:
    """The card as HTML and as Markdown, by file name."""
    from perdure.report import render

    found = facts(context, version)
    return {"card.html": render.card(found), "card.md": render.card_markdown(found)}


def write(context: Context, version: str | None, folder: Path | None) -> list[Path]:
    """Writes a version's card (default: of the newest version) into a folder (default: `cards` beside the tables, on a
    local disk). Raises PerdureError when there is no version yet."""
    if version is None:
        trained = Lineage(context.ledger.records).trainings()
        if not trained:
            raise PerdureError("no model version was trained yet, so there is no card to write")
        version = str(trained[-1].facts["model_version"])
    folder = folder or default_file(context).with_name("cards")
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, text in texts(context, version).items():
        files.append(folder / f"{context.pipeline.pipeline}-v{version}{Path(name).suffix}")
        files[-1].write_text(text, encoding="utf-8")
    return files


def log(context: Context, version: str) -> None:
    """Keeps the card, as the ledger has it now, with the version's run in MLflow."""
    context.tracking.log_texts(version, texts(context, version))
