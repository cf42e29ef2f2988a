"""Words and numbers for people: what a term means, how a figure is written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LABEL = re.compile(r"^(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T(\d{2})(?::(\d{2}))?)?)?)?$")
_SMALLER_IS_BETTER = ("loss", "error", "brier", "rmse", "mse", "mae", "mape")


@dataclass(frozen=True)
class Term:
    """A word that a reader may not know: how it is written in text, and what it means, in a sentence or two."""

    title: str
    meaning: str


TERMS = {
    "log_loss": Term(
        "log loss",
        "How wrong the stated probabilities were, on average. 0 is perfect, 0.69 is what saying "
        "“50%” every time gets. Being sure and wrong costs most. Smaller is better.",
    ),
    "area_under_roc": Term(
        "AUC",
        "Take one row that turned out positive and one that did not: how often the model gave the "
        "first the higher probability. 0.5 is a coin toss, 1 is always. Larger is better.",
    ),
    "average_precision": Term(
        "average precision",
        "How pure the top of the list is when rows are sorted by probability. "
        "Its floor is the share of positives. Larger is better.",
    ),
    "brier": Term(
        "Brier score", "The mean squared gap between stated probability and outcome (0 or 1). Smaller is better."
    ),
    "accuracy": Term("accuracy", "The share of rows whose predicted class was right."),
    "precision": Term("precision", "Of the rows that were called positive, the share that was."),
    "recall": Term("recall", "Of the rows that were positive, the share that was called so."),
    "specificity": Term("specificity", "Of the rows that were not positive, the share that was called so."),
    "business_value": Term("business value", "What one prediction was worth on average, in the unit of the pipeline."),
    "f1": Term("F1", "Precision and recall in one number, their harmonic mean. Larger is better."),
    "rmse": Term(
        "RMSE", "The typical size of an error, in the label's own unit; large errors weigh more. Smaller is better."
    ),
    "mse": Term("MSE", "The mean squared error, in the label's unit squared. Smaller is better."),
    "mae": Term("MAE", "The mean size of an error, in the label's own unit. Smaller is better."),
    "mape": Term("MAPE", "The mean size of an error as a share of the true value. Smaller is better."),
    "r2": Term("R²", "The share of the label's variation that the model explains. 1 is all of it, 0 none."),
    "population_stability_index": Term(
        "PSI",
        "Population stability index: how differently a column's values spread over "
        "its usual ranges. Under 0.1 is hardly a change, over 0.2 is a clear one.",
    ),
    "kl_divergence": Term(
        "KL divergence", "How surprising the current values are to one who expects the earlier ones: 0 is not at all."
    ),
    "js_distance": Term(
        "Jensen–Shannon distance", "How far apart two distributions are: 0 is the same, 1 is no overlap."
    ),
    "ks_test": Term(
        "KS statistic", "The largest gap between two cumulative distributions: 0 is the same, 1 no overlap."
    ),
    "wasserstein_distance": Term(
        "Wasserstein distance",
        "How far values would have to move, on average, to turn one "
        "distribution into the other, in the column's own unit.",
    ),
    "chi_squared_test": Term("chi-squared statistic", "How surprising the category counts are if nothing had changed."),
    "normed_wasserstein_distance": Term(
        "normed Wasserstein distance",
        "How far values would have to move, on average, to turn one distribution into the other, in the "
        "column's standard deviations at the training. Above 0.1 is usually taken for drift.",
    ),
    "hellinger_distance": Term(
        "Hellinger distance", "How far apart two distributions are: 0 is the same, 1 is nothing in common."
    ),
    "tv_distance": Term("total variation", "The share of rows that would have to change bin to undo the change."),
    "l_infinity_distance": Term("L-infinity distance", "The largest change in any one bin's share of rows."),
    "expected": Term("expected", "Estimated from the model's own probabilities before outcomes are known."),
    "realised": Term("realised", "Measured against the outcomes that came."),
    "champion": Term("champion", "The model version that serves predictions."),
    "candidate": Term("candidate", "A newly trained model that wants to become the champion."),
    "drift": Term(
        "drift",
        "A change in the data over time, compared with the rows that the champion was trained on. It "
        "is a reason to look, not yet a fault.",
    ),
    "quarantined": Term(
        "quarantined", "Rows that broke a rule. They are kept aside with the reason, and are not used."
    ),
    "gate": Term("gate", "The rules that a candidate must meet before it may serve."),
    "holdout": Term("held-out rows", "The latest rows of the training window, which the model never learned from."),
    "band": Term("95% range", "Where the true value lies in 19 of 20 cases, given how many rows were seen."),
    "importance": Term("weight in the model", "How much the champion relies on a feature: its share of all features."),
    "coverage": Term("outcomes known", "The share of predictions whose outcome has arrived."),
    "slice": Term("slice", "A part of the rows with one value in common, such as one carrier."),
    "trial": Term("trial", "One model fitted during the search, with its own settings."),
}


def title(name: str) -> str:
    """How a metric, statistic or term is written in text; names that are not known lose their underscores."""
    return TERMS[name].title if name in TERMS else name.replace("_", " ")


def smaller_is_better(metric: str) -> bool:
    """Whether a metric falls as the model gets better."""
    return any(part in metric for part in _SMALLER_IS_BETTER)


def period(first: str, last: str | None = None) -> str:
    """An interval's label for people: `2013-04` is Apr 2013; two labels make a range; other texts stay."""
    if last is None or last == first:
        return _human(first)
    return f"{_human(first)} – {_human(last)}"


def when(first: str, last: str | None = None) -> str:
    """A period with the word that goes before it: in Apr 2013, on 3 Apr 2013, over Jan 2013 – Mar 2013."""
    if last is not None and last != first:
        return f"over {period(first, last)}"
    return f"{'on' if first.count('-') == 2 else 'in'} {period(first)}"


def short(label: str) -> tuple[str, str]:
    """A label as (fine, coarse) for two lines of an axis: (Apr, 2013), (3 Apr, 2013), (06:00, 3 Apr)."""
    parts = _parts(label)
    if parts is None:
        return label, ""
    year, month, day, hour, minute = parts
    if hour:
        return f"{hour}:{minute or '00'}", f"{int(day or 1)} {_month(month)}"
    if day:
        return f"{int(day)} {_month(month)}", year
    return (_month(month), year) if month else (year, "")


def _parts(label: str) -> tuple[str, str | None, str | None, str | None, str | None] | None:
    match = _LABEL.match(label)
    if match is None or (match[2] and not 1 <= int(match[2]) <= 12):
        return None
    return match[1], match[2], match[3], match[4], match[5]


def _month(month: str | None) -> str:
    return _MONTHS[int(month or 1) - 1]


def _human(label: str) -> str:
    parts = _parts(label)
    if parts is None:
        return label or "once"
    year, month, day, hour, minute = parts
    text = f"{_month(month)} {year}" if month else year
    text = f"{int(day)} {text}" if day else text
    return f"{text}, {hour}:{minute or '00'}" if hour else text


def whole(value: float | None) -> str:
    """A count with thousands separated: 336,776."""
    return "–" if value is None else f"{value:,.0f}"


def compact(value: float | None) -> str:
    """A count in few characters: 940, 27.0k, 337k, 1.20M."""
    if value is None:
        return "–"
    if abs(value) < 10_000:
        return f"{value:,.0f}"
    for limit, unit in ((1e6, "k"), (1e9, "M"), (float("inf"), "G")):
        if abs(value) < limit * 0.9995:
            scaled = value / (limit / 1000 if limit != float("inf") else 1e9)
            return f"{scaled:.{2 if scaled < 10 else 1 if scaled < 100 else 0}f}{unit}"
    return f"{value:,.0f}"


def figure(value: float | None) -> str:
    """A metric: three decimals below 10, four significant digits above."""
    if value is None or value != value:
        return "–"
    size = abs(value)
    return (
        f"{value:.3f}"
        if size < 10
        else f"{value:.2f}"
        if size < 100
        else f"{value:,.0f}"
        if size >= 1000
        else f"{value:.1f}"
    )


def share(value: float | None) -> str:
    """A share in per cent: 0.4%, 12%, and < 0.1% for what isn't quite nothing."""
    if value is None:
        return "–"
    percent = value * 100
    if 0 < percent < 0.1:
        return "< 0.1%"
    if 99.9 < percent < 100:
        return "> 99.9%"
    return f"{percent:.0f}%" if percent >= 9.95 else f"{percent:.1f}".removesuffix(".0") + "%"


def duration(seconds: float | None) -> str:
    """A length of time: 0.8 s, 42 s, 3 min 20 s, 1 h 4 min."""
    if seconds is None:
        return "–"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    total = round(seconds)
    if total < 60:
        return f"{total} s"
    if total < 3600:
        return f"{total // 60} min" + (f" {total % 60} s" if total % 60 else "")
    return f"{total // 3600} h" + (f" {total % 3600 // 60} min" if total % 3600 >= 60 else "")


def moment(iso: str) -> str:
    """An ISO time as 23 Nov 2026, 10:44 UTC; what isn't one stays."""
    try:
        time = datetime.fromisoformat(iso.replace("Z", "+00:00"))
    except ValueError:
        return iso
    time = time.astimezone(timezone.utc) if time.tzinfo else time
    return f"{time.day} {_MONTHS[time.month - 1]} {time.year}, {time:%H:%M} UTC"


def listed(items: list[str]) -> str:
    """Texts as an English list: a, b and c."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else ""
