from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from perdure.core.chain import Chain, verify
from perdure.core.record import RunRecord

from .test_record import record

Row = dict[str, Any]


def row(one: RunRecord) -> Row:
    names = ("run_id", "pipeline", "step", "subject", "interval", "status", "started_at", "seconds")
    return {**{name: getattr(one, name) for name in names}, "record": one.to_json()}


def run(number: int, session: str = "s") -> RunRecord:
    return record(run_id=f"{session}{number:011d}" + "0" * 52, interval=f"2013-{number:02d}", facts={"rows": number},
                  started_at=datetime.now(timezone.utc).isoformat())


def session(rows: list[Row], numbers: range, name: str = "s") -> list[Row]:
    """The rows of a session that opened the ledger when it held `rows`."""
    chain = Chain(each["record"] for each in rows)
    return [row(chain.add(run(number, name))) for number in numbers]


@pytest.fixture
def rows() -> list[Row]:
    first = session([], range(1, 4), "a")
    return first + session(first, range(4, 7), "b")


def test_what_is_as_written_is_intact(rows: list[Row]) -> None:
    found = verify(rows[::-1])
    assert (found.records, found.unchained, found.sessions, found.forks, found.problems) == (6, 0, 2, 0, ())
    assert len(found.heads) == 1
    assert verify(rows, anchors=found.heads).problems == ()
    assert verify([]).problems == ()


def test_a_changed_brief_shows(rows: list[Row]) -> None:
    stored = [{**each, "brief": RunRecord.from_json(each["record"]).brief()} for each in rows]
    assert verify(stored).problems == ()
    for brief in (stored[2]["brief"].replace('"rows": 3', '"rows": 4'), "{", "[]", '{"facts": {}}'):
        found = verify([*stored[:2], {**stored[2], "brief": brief}, *stored[3:]]).problems
        assert [(problem.kind, problem.run_id) for problem in found] == [("changed", stored[2]["run_id"])]
        assert "brief" in found[0].why
    ends = [Chain(each[column] for each in stored).add(run(9)).link for column in ("brief", "record")]
    assert [(link.previous, link.position, link.older) for link in ends if link] == [(verify(rows).heads, 6, ())] * 2


def edited(text: str, **changes: Any) -> str:
    return json.dumps({**json.loads(text), **changes}, sort_keys=True)


def rehashed(one: Row, **changes: Any) -> Row:
    """A row changed by somebody who knows how hashes are made."""
    chain = Chain([])
    old = RunRecord.from_json(one["record"])
    assert old.link is not None
    chain._heads, chain._position, chain._session = old.link.previous, old.link.position - 1, old.link.session
    return row(chain.add(replace(old, link=None, **changes)))


TAMPERED: dict[str, tuple[Callable[[list[Row]], list[Row]], str, str]] = {
    "a fact": (lambda r: [*r[:2], {**r[2], "record": edited(r[2]["record"], facts={"rows": 99})}, *r[3:]],
               "changed", "2013-03"),
    "a column": (lambda r: [*r[:2], {**r[2], "status": "failed"}, *r[3:]], "changed", "2013-03"),
    "no JSON": (lambda r: [*r[:2], {**r[2], "record": "x"}, *r[3:]], "changed", "2013-03"),
    "a fact, with its hash": (lambda r: [*r[:2], rehashed(r[2], facts={"rows": 99}), *r[3:]], "removed", "2013-04"),
    "one removed": (lambda r: r[:2] + r[3:], "removed", "2013-04"),
    "the first removed": (lambda r: r[1:], "removed", "2013-02"),
    "one twice": (lambda r: [*r, r[2]], "inserted", "2013-03"),
    "one squeezed in": (lambda r: [*r, rehashed(r[4], run_id="f" * 64, seconds=9.0)], "inserted", "2013-05"),
    "one without a place": (lambda r: [*r, row(run(9, "z"))], "inserted", "2013-09"),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_the_first_record_that_is_not_as_written_is_named(rows: list[Row], how: str) -> None:
    tamper, kind, name = TAMPERED[how]
    found = verify(tamper(rows)).problems
    assert found[0].kind == kind
    assert name in found[0].name
    assert len(found) == (2 if how == "no JSON" else 1)  # one fault, told once; its follower misses what can't be read


def test_an_end_cut_off_shows_against_a_head_kept_elsewhere(rows: list[Row]) -> None:
    head = verify(rows).heads
    assert verify(rows[:-1]).problems == ()  # as with every chain
    assert [each.kind for each in verify(rows[:-1], anchors=head).problems] == ["removed"]


def test_sessions_side_by_side_fork_and_are_joined_again(rows: list[Row]) -> None:
    one, other = session(rows, range(7, 10), "c"), session(rows, range(10, 12), "d")
    both = [*rows, *(each for pair in zip(one, other, strict=False) for each in pair), one[2]]
    found = verify(both)
    assert (found.problems, found.forks, len(found.heads)) == ((), 1, 2)
    joined = both + session(both, range(12, 14), "e")
    found = verify(joined)
    assert (found.problems, found.forks, len(found.heads)) == ((), 1, 1)
    without = [each for each in joined if each is not other[1]]
    assert "2013-12" in verify(without).problems[0].name


def test_a_later_session_must_have_seen_what_was_there(rows: list[Row]) -> None:
    later = datetime.now(timezone.utc) + timedelta(hours=1)
    chain = Chain(each["record"] for each in rows[:2])
    chain._session = f"{later:%Y%m%dT%H%M%SZ}-f"
    odd = row(chain.add(replace(run(7, "f"), started_at=later.isoformat())))
    assert [(each.kind, each.name) for each in verify([*rows, odd]).problems] == [("inserted", "train 2013-07")]


def test_records_older_than_the_chain_are_named_by_its_beginning() -> None:
    older = [row(run(number)) for number in range(1, 4)]
    rows = older + session(older, range(4, 6))
    assert (verify(older).problems, verify(older).unchained) == ((), 3)
    assert (verify(rows).problems, verify(rows).unchained) == ((), 3)
    assert [each.kind for each in verify(rows[1:]).problems] == ["removed"]
    changed = {**rows[1], "record": edited(rows[1]["record"], facts={})}
    assert [each.kind for each in verify([rows[0], changed, *rows[2:]]).problems] == ["changed"]
