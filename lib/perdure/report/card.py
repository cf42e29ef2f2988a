"""The model card: what one version predicts, how well, for whom, what it leans on, its limits, where it comes from.

After Mitchell et al. 2019, "Model Cards for Model Reporting"; filled from what the runs recorded, nothing by hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from . import words
from .words import figure, listed, share, smaller_is_better, title

SLICES, FEATURES, CURVES, FEW = 18, 15, 6, 100
RARE = 0.1
_SMALL_GAP = 0.02  # of a probability: less isn't worth a warning


@dataclass(frozen=True)
class CardFacts:
    """What a card is made of. `model`: as `run.audit.model` gives it; `judged`: the evaluation's facts (empty before
    it); `leans`, `mitigation` and `threshold`: the training's facts `explanation`, `mitigation` and `decision`;
    `commands`: what for, and the command line."""

    pipeline: str
    target: str
    description: str
    version: str
    generated_at: str
    task: str
    metric: str
    label: str
    key: str
    interval: str
    excluded: Sequence[str]
    model: Mapping[str, Any]
    judged: Mapping[str, Any]
    leans: Mapping[str, Any]
    commands: Sequence[tuple[str, str]] = ()
    mitigation: Mapping[str, Any] = field(default_factory=dict)
    threshold: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Figure:
    """One of the large numbers."""

    label: str
    value: str
    note: str
    term: str = ""


@dataclass(frozen=True)
class SliceRow:
    """A slice's metric; `worse`: its 95 % range lies wholly on the bad side of the value over all rows."""

    key: str
    value: str
    rows: int
    metric: float
    low: float
    high: float
    worse: bool


@dataclass(frozen=True)
class CardView:
    """A card as its templates want it: `facts`, and what was told from them."""

    facts: CardFacts
    status: str
    state: str
    headline: str
    because: str
    answers: tuple[tuple[str, str], ...]
    figures: tuple[Figure, ...]
    metrics: tuple[dict[str, Any], ...]
    champion: str | None
    slices: tuple[SliceRow, ...]
    slices_omitted: int
    overall: float | None
    bounds: tuple[float, float]
    leans: tuple[dict[str, Any], ...]
    curves: tuple[dict[str, Any], ...]
    curve_bounds: tuple[float, float]
    calibration: tuple[Mapping[str, Any], ...]
    limits: tuple[str, ...]
    binary: bool
    against: bool
    fairness: Mapping[str, Any]
    why_not: str
    kinds: Mapping[str, str] = field(default_factory=dict)


def build(facts: CardFacts) -> CardView:
    """The card's content; equal facts make an equal view."""
    judged, binary = facts.judged, facts.task == "binary"
    status, state, because = _standing(facts)
    slices = _slices(facts)
    overall = (judged.get("candidate") or {}).get(facts.metric, {}).get("value")
    ends = [end for row in slices for end in (row.low, row.high)] + ([overall] if overall is not None else [])
    curves = [curve for curve in facts.leans.get("dependence", ())[:CURVES] if len(curve["points"]) > 1]
    answers = [point["answer"] for curve in curves for point in curve["points"]]
    trained = facts.model.get("training") or {}
    return CardView(
        facts, status, state, f"{facts.pipeline} v{facts.version}", because, _answers(facts, slices),
        _figures(facts), _metrics(judged, facts.metric), _champion(facts), tuple(slices[:SLICES]),
        len(slices[SLICES:]), overall, _padded(ends), _leans(facts.leans), tuple(curves), _padded(answers),
        tuple((judged.get("calibration") or {}).get("candidate", ())), tuple(_limits(facts, slices)), binary,
        bool(judged.get("champion")), judged.get("fairness") or {},
        _why_not(facts, "It wasn't examined: there were no labelled held-out rows when it was trained."),
        dict(trained.get("columns") or {}),
    )  # fmt: skip


def _standing(facts: CardFacts) -> tuple[str, str, str]:
    """Colour, word and sentence: whether this version serves."""
    decided = facts.model.get("decision")
    if not decided:
        waits = "It was judged, and waits for a decision." if facts.judged else "It waits to be judged."
        return "waiting", "Candidate", waits
    since = day(decided["effective_from"])
    if decided["decision"] == "promote":
        return "good", "Passed", f"Champion from {since} on: {decided['reason']}."
    if decided["decision"] in ("restore", "pin"):
        return "good", "Champion by hand", f"Champion from {since} on: {decided['reason']}."
    if decided["decision"] == "challenge":
        return "watch", "Challenger", f"From {since} on: {decided['reason']}."
    if decided["decision"] == "wait":
        return "waiting", "Waits for approval", f"Since {since}: {decided['reason']}."
    if decided["decision"] == "reject":
        return "bad", "Rejected by hand", f"On {since}: {decided['reason']}."
    return "bad", "Refused", f"It was not taken into service on {since}: {decided['reason']}."


def _why_not(facts: CardFacts, otherwise: str) -> str:
    """Why nothing is told of what it leans on, as a sentence."""
    told = facts.leans.get("why_not")
    return f"{_capital(told)}." if told else otherwise


def _answers(facts: CardFacts, slices: Sequence[SliceRow]) -> tuple[tuple[str, str], ...]:
    found = (facts.judged.get("candidate") or {}).get(facts.metric)
    good = "Not judged yet."
    if found:
        good = f"{_capital(words.title(facts.metric))} {figure(found['value'])}"
        good += f" (95% range {figure(found['low'])} to {figure(found['high'])})" if found["low"] is not None else ""
        good += f" on {facts.judged['rows']:,} rows it never learnt from."
    top = [name for name, size in largest(facts.leans.get("importance") or {}) if size > 0][:3]
    leans = f"Mostly on {listed(top)}." if top else _why_not(facts, "Not examined.")
    worse = [f"{row.key} {row.value}" for row in slices if row.worse][:3]
    careful = f"It is clearly worse for {listed(worse)}." if worse else "No part of the rows stands out as worse."
    return (("What does it predict?", facts.label), ("How good is it?", good), ("What does it lean on?", leans),
            ("For whom is it worse?", careful if slices else "No slices were watched."))  # fmt: skip


def _figures(facts: CardFacts) -> tuple[Figure, ...]:
    trained, judged = facts.model.get("training") or {}, facts.judged
    found = (judged.get("candidate") or {}).get(facts.metric) or {}
    since, until, family = trained.get("since"), trained.get("until"), title(str(trained.get("family", "model")))
    return (
        Figure(title(facts.metric), figure(found.get("value")), "on held-out rows", facts.metric),
        Figure("features", str(len(trained.get("columns") or ())), f"in a {family}"),
        Figure("learnt from", words.compact(trained.get("rows")), f"rows, {_span(since, until)}"),
        Figure("judged on", words.compact(judged.get("rows")), "later rows" if judged else "not yet", "holdout"),
        Figure("gate", *_gate_words(facts), "gate"),
    )


def _gate_words(facts: CardFacts) -> tuple[str, str]:
    lines = (facts.model.get("evaluation") or {}).get("gate") or ()
    judged = [line for line in lines if line["severity"] != "info"]
    passed = sum(line["passed"] for line in judged)
    return (f"{passed}/{len(judged)}", "rules held") if judged else ("–", "no rule was asked")


def _metrics(judged: Mapping[str, Any], metric: str) -> tuple[dict[str, Any], ...]:
    own, other, gain = (judged.get(name) or {} for name in ("candidate", "champion", "improvement"))
    rows = []
    for name, found in own.items():
        better = gain.get(name)
        sure = None
        if better and better["low"] is not None:
            sure = "better" if better["low"] > 0 else "worse" if better["high"] < 0 else "alike"
        rows.append({"name": name, **found, "champion": (other.get(name) or {}).get("value"), "sure": sure})
    rows.sort(key=lambda row: (row["name"] != metric, row["name"] not in words.TERMS, row["name"]))
    return tuple(rows)


def _champion(facts: CardFacts) -> str | None:
    decided = facts.model.get("decision") or {}
    return decided.get("previous_version") if facts.judged.get("champion") else None


def _slices(facts: CardFacts) -> list[SliceRow]:
    """Worst first."""
    whole = (facts.judged.get("candidate") or {}).get(facts.metric, {}).get("value")
    lower, rows = smaller_is_better(facts.metric), []
    for each in facts.judged.get("slices") or ():
        found = each["metrics"].get(facts.metric)
        if each["model"] != "candidate" or not found or whole is None:
            continue
        low = found["value"] if found["low"] is None else found["low"]
        high = found["value"] if found["high"] is None else found["high"]
        worse = each["rows"] >= FEW and (low > whole if lower else high < whole)
        name = (each["slice_key"], str(each["slice_value"]))
        rows.append(SliceRow(*name, each["rows"], found["value"], low, high, worse))
    rows.sort(key=lambda row: (not row.worse, row.rows < FEW, -row.metric if lower else row.metric))
    return rows


def _leans(leans: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    found = largest(leans.get("importance") or {})
    most = max((size for _, size in found), default=0) or 1
    return tuple({"name": name, "size": size, "share": size / most, "direction": leans["direction"].get(name),
                  **{f"rise_{key}": value for key, value in (leans["permutation"].get(name) or {}).items()}}
                 for name, size in found[:FEATURES] if size > 0)  # fmt: skip


def largest(sizes: Mapping[str, float]) -> list[tuple[str, float]]:
    """By falling size, then by name; records keep their keys in another order."""
    return sorted(sizes.items(), key=lambda item: (-item[1], item[0]))


def _preparation(prepared: Mapping[str, Any], *, threshold: bool) -> list[str]:
    """What became of columns and classes that a reader may not expect."""
    found = []
    if unused := prepared.get("unused"):
        named = listed([f"{name} ({kind})" for name, kind in unused.items()][:6])
        found.append(f"It doesn't use {named}: neither numbers nor texts. The features' SQL can say what counts of "
                     "them; of dates and times model.prepare.dates can.")  # fmt: skip
    most = prepared.get("most_categories")
    full = [name for name, count in (prepared.get("categories") or {}).items() if count == most]
    if full:
        found.append(f"Of {listed(full[:6])} it knows the {most} most frequent values apart; rarer and new ones count "
                     "as one (model.prepare.categories).")  # fmt: skip
    classes = prepared.get("classes") or {}
    if prepared.get("imbalance") == "balance":
        return [*found, "Each class counted as much in its training, however rare it is (model.prepare.imbalance): its "
                "probabilities are too high for rare ones. They say which rows come first, not how often it is so."]
    classes = classes if set(classes) == {"0", "1"} else {}
    share = classes["1"] / max(1, sum(classes.values())) if classes else 0.5
    if not RARE <= share <= 1 - RARE and not threshold:
        found.append(f"Of what it learnt from {share:.1%} are of class 1; its probabilities say so, and at 0.5 the "
                     "rarer class is seldom decided for. model.decision chooses the threshold by what mistakes cost.")
    return found


def _limits(facts: CardFacts, slices: Sequence[SliceRow]) -> list[str]:
    """What a reader should not expect of this version, told from its own numbers."""
    trained, judged = facts.model.get("training") or {}, facts.judged
    found = []
    if trained:
        days = (_time(trained["until"]) - _time(trained["since"])).days
        lived = f"It learnt from {_length(days)} of data, {_span(trained['since'], trained['until'])}."
        found.append(lived + (" It has not seen a whole year: seasons it never saw may be unlike these."
                              if days < 365 else " What came up since then it has not seen."))  # fmt: skip
    if judged:
        held = trained.get("holdout") or {}
        when = f" from {_span(held['since'], held['until'])}" if held else ""
        found.append(f"It was judged on {judged['rows']:,} rows{when}, right after what it learnt from. How long it "
                     "stays as good, only the monitoring can tell.")  # fmt: skip
    worse = [row for row in slices if row.worse]
    if worse:
        named = listed([f"{row.key} {row.value} ({figure(row.metric)})" for row in worse[:5]])
        found.append(f"Its {title(facts.metric)} is clearly worse for {named}"
                     + (f", and {len(worse) - 5} more." if len(worse) > 5 else "."))  # fmt: skip
    few = [f"{row.key} {row.value}" for row in slices if row.rows < FEW]
    if few:
        found.append(f"Fewer than {FEW} held-out rows, too few to tell: {listed(few[:6])}"
                     + (f" and {len(few) - 6} more." if len(few) > 6 else "."))  # fmt: skip
    found += _off_calibration((judged.get("calibration") or {}).get("candidate", ()))
    if facts.task == "binary" and judged and not judged.get("fairness"):
        found.append("No groups of people were compared for fairness; gate.fairness in the pipeline file asks for it.")
    found += _preparation(trained.get("prepared") or {}, threshold=bool(facts.threshold))
    if facts.excluded:
        found.append(f"It was not shown {listed(list(facts.excluded))}, on purpose.")
    if facts.leans.get("importance"):
        found.append("What it leans on says what moves the model's answer, not what causes the outcome.")
    return found


def _off_calibration(bins: Sequence[Mapping[str, Any]]) -> list[str]:
    off = [each for each in bins if not each["low"] <= each["predicted"] <= each["high"]
           and abs(each["observed"] - each["predicted"]) > _SMALL_GAP]  # fmt: skip
    if not off:
        return []
    worst = max(off, key=lambda each: abs(each["observed"] - each["predicted"]))
    low = sum(each["observed"] > each["predicted"] for each in off)
    which = "too low" if low == len(off) else "too high" if low == 0 else "off"
    return [f"Its probabilities were {which} in {len(off)} of {len(bins)} groups of the held-out rows: where it said "
            f"{share(worst['predicted'])}, it was {share(worst['observed'])}."]  # fmt: skip


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _padded(values: Sequence[float]) -> tuple[float, float]:
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    pad = (high - low) * 0.04 or abs(high) * 0.05 or 0.5
    return (max(0.0, low - pad) if low >= 0 else low - pad), high + pad


def _time(iso: str) -> datetime:
    return datetime.fromisoformat(iso)


def day(iso: str) -> str:
    """An ISO time as a date for people; with the time of day where that isn't midnight."""
    time = _time(iso)
    return words.moment(iso) if (time.hour, time.minute) != (0, 0) else words.moment(iso).partition(",")[0]


def _span(since: str | None, until: str | None) -> str:
    return f"{day(since)} to {day(until)}" if since and until else "–"


def _length(days: int) -> str:
    if days >= 61:
        return f"{round(days / 30.4)} months"
    return f"{days} days" if days != 1 else "a day"
