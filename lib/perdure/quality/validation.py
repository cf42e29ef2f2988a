"""Judges one batch: a suite's results, the gate, the rules of single rows, and a count that closes.

In = good + quarantined + duplicates. All of it comes from the fused scan; further queries run only where something
failed: one for examples and the number of quarantined rows, one for each key that repeats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pyspark.sql import functions as F

from perdure.core.gate import GateLine, GateResult

from . import suites, wording
from .scan import Found, KeyCheck, Scan, count_where, duplicates, either, holds

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from .judge import Judged

OnFailure = Literal["quarantine", "fail"]


@dataclass(frozen=True)
class RowRule:
    """A rule about single rows. `unexpected` is how many rows of this batch fail it, `condition` is 'the row fails'
    (never null; plain false where no row does; it may hold a window function, so use it in a projection), `rule` is the
    fingerprint."""

    expectation: str
    columns: tuple[str, ...]
    severity: suites.Severity
    rule: str
    condition: Column
    unexpected: int
    value: Column | None = None
    """What a failure shows as the row's value; None: the values of `columns`."""


@dataclass(frozen=True)
class Counts:
    """Rows of the batch: `rows` = good + `quarantined` + `duplicates`."""

    rows: int
    quarantined: int
    duplicates: int

    @property
    def good(self) -> int:
        """Rows that go on."""
        return self.rows - self.quarantined - self.duplicates


@dataclass(frozen=True)
class Validation:
    """`result`: Great Expectations' own result as JSON (empty without a suite). `gate`: one line a rule. `rules`: what
    holds of single rows, the batch's own rules first. `counts`: see there."""

    result: dict[str, Any]
    gate: GateResult
    rules: tuple[RowRule, ...]
    counts: Counts

    @property
    def refused(self) -> Column:
        """The condition of rows that go to quarantine; for use in a projection."""
        return _refused(self.rules)


def validate(
    batch: DataFrame,
    suite: suites.Suite | None,
    *,
    own: Sequence[RowRule] = (),
    where: Column | None = None,
    key: Sequence[str] = (),
    on_failure: OnFailure = "quarantine",
) -> Validation:
    """Judges `batch` in about one scan.

    `own` are rules besides the suite's (their `unexpected` is counted here), `where` keeps the rows that the suite
    judges, `key` names rows: of those not quarantined, all but one of a key are duplicates.
    """
    refused = _refused(own, known=False)
    scan = Scan(batch)
    scan.values |= {"rows": count_where(None), "quarantined": count_where(refused)}
    scan.values |= {f"own{index}": count_where(rule.condition) for index, rule in enumerate(own)}
    if key:
        scan.keys["key"] = KeyCheck(tuple(F.col(name) for name in key), ~refused)
    given = suites.entries(suite) if suite else []
    judged, found, later = _judged(batch, given, where, refused, scan) if given else ([], scan.run(), {})
    for error in found.errors.values():
        raise error  # only this module's own counts can stand here, and they hold for any batch that can be read
    counted = [_counted(rule, found.values[f"own{index}"]) for index, rule in enumerate(own)]
    of_suite = _suite_rules(given, judged)
    lines = [_own_line(rule, found.values["rows"], on_failure) for rule in counted]
    lines += [_line(entry, one, on_failure) for entry, one in zip(given, judged, strict=True)]
    result: dict[str, Any] = {}
    if suite:
        from .judge import suite_result

        result = suite_result(str(suite.get("name", "suite")), judged)
    counts = _counts(batch, key, (counted, of_suite), found, later)
    return Validation(result, GateResult("data", tuple(lines)), (*counted, *of_suite), counts)


def _judged(
    batch: DataFrame, given: Sequence[suites.Entry], where: Column | None, refused: Column, scan: Scan
) -> tuple[list[Judged], Found, Mapping[str, Any]]:
    from .engine import FusedEngine  # imports Great Expectations: seconds, so only where a suite runs
    from .judge import judge

    engine = FusedEngine(batch, where)
    engine.first = scan
    judged = judge(engine, given, refused)
    mine = {name: error for name, error in engine.first_found.errors.items() if not name.startswith("metric")}
    found = Found(engine.first_found.values, engine.first_found.keys, mine)
    return judged, found, engine.later_found


def _counts(
    batch: DataFrame,
    key: Sequence[str],
    rules: tuple[Sequence[RowRule], Sequence[RowRule]],
    found: Found,
    later: Mapping[str, Any],
) -> Counts:
    """Queries only where a critical rule of the suite (the second part of `rules`) failed and was not counted yet, or
    where keys repeat."""
    suite_refuses = any(rule.unexpected and rule.severity == "critical" for rule in rules[1])
    refused = batch.select("*", _refused([*rules[0], *rules[1]]).alias("__perdure_refused"))
    if not suite_refuses:
        quarantined = found.values["quarantined"]
    elif "quarantined" in later:
        quarantined = later["quarantined"]
    else:
        quarantined = refused.agg(count_where(F.col("__perdure_refused"))).collect()[0][0]
    surplus = 0
    if key and found.keys["key"].repeated:
        check = KeyCheck(tuple(F.col(name) for name in key), ~F.col("__perdure_refused"))
        surplus = duplicates(refused, check, 1).surplus
    return Counts(found.values["rows"], quarantined, surplus)


def _refused(rules: Sequence[RowRule], *, known: bool = True) -> Column:
    """Rows that some critical rule refuses; with `known`, only rules that were seen to fail are asked."""
    asked = [rule for rule in rules if rule.severity == "critical" and (rule.unexpected or not known)]
    return either([rule.condition for rule in asked])


def _counted(rule: RowRule, unexpected: int) -> RowRule:
    return RowRule(
        rule.expectation, rule.columns, rule.severity, rule.rule, holds(rule.condition), unexpected, rule.value
    )


def _suite_rules(given: Sequence[suites.Entry], judged: Sequence[Judged]) -> list[RowRule]:
    return [
        RowRule(
            entry["type"],
            suites.columns(entry),
            suites.severity(entry),
            suites.rule_fingerprint(entry),
            F.lit(False) if one.condition is None else one.condition,
            one.unexpected,
        )
        for entry, one in zip(given, judged, strict=True)
        if one.per_row
    ]


def _own_line(rule: RowRule, rows: int, on_failure: OnFailure) -> GateLine:
    failed = rule.unexpected
    text = f"{failed:,} of {rows:,} rows fail ({wording.percent(100 * failed / rows)})" if failed else (
        f"none of {rows:,} rows fails"
    )
    severity = rule.severity
    if failed and on_failure == "quarantine":
        severity, text = "warning", f"{text}; rows quarantined"
    name = ": ".join(part for part in (", ".join(rule.columns), rule.expectation.replace("_", " ")) if part)
    return GateLine(name, not failed, text, "every row", severity)


def _line(entry: suites.Entry, one: Judged, on_failure: OnFailure) -> GateLine:
    """One expectation's line. A critical rule of single rows without `mostly` stops nothing when its rows can go to
    quarantine: its line then is a warning that says so."""
    success = bool(one.result.get("success"))
    text, severity = wording.measured(one.result), suites.severity(entry)
    quarantines = one.per_row and severity == "critical" and on_failure == "quarantine" and one.unexpected > 0
    if quarantines:
        text += "; rows quarantined"
        if (entry.get("kwargs") or {}).get("mostly") is None:
            severity = "warning"
    bound = wording.bound(entry, per_row=one.per_row or "unexpected_count" in (one.result.get("result") or {}))
    return GateLine(wording.title(entry), success, text, bound, severity)
