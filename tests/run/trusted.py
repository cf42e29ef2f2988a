"""Asks everything of `test_trust` of one project, in one session; prints the answers as one line of JSON."""

from __future__ import annotations

import json
import sys
from typing import Any

from perdure import cli_trust
from perdure.cli import opened
from perdure.core.errors import UsageError
from perdure.core.protocols import Read
from perdure.run import audit, audit_view, cards, erase, explain_view, promote
from perdure.run.context import Context
from perdure.run.lineage import Lineage


def look(context: Context) -> dict[str, Any]:
    """Questions that change nothing but the table of reasons."""
    key, found = context.pipeline.features.key, {}
    row = context.tables.read(Read("predictions")).orderBy(key).limit(1).collect()[0]
    found["verify"] = audit.verify(context)
    found["prediction"] = audit.prediction(context, row[key])
    audit_view.show_prediction(found["prediction"])
    found["source"] = audit.file(context, "readings/2016-06-16.jsonl")
    audit_view.show_file(found["source"])
    label = explain_view.explained(context, None, 2, None)["interval"]
    mine = context.tables.read(Read("reasons")).where(f"_interval = '{label}'").select(key).limit(1).collect()[0][0]
    found["explain"] = explain_view.explained(context, label, 2, mine)
    explain_view.show(found["explain"])
    explain_view.show({**found["explain"], "row": None})
    found["card"] = {"files": [str(each) for each in cards.write(context, "1", None)]}
    return found


def move(context: Context, file: str) -> dict[str, Any]:
    """Version 1 to the other target, twice."""
    found: dict[str, Any] = {}
    with opened(file, "other", as_json=True) as other:
        found["promote"] = promote.promote(context, other, "1")
        promote.show(found["promote"], other)
        found["promote again"] = promote.promote(context, other, "1")
    with opened(file, "other", as_json=True) as other:
        found["other"] = audit.model(Lineage(other.ledger.records), "1")
        audit_view.show_model(found["other"])
        cards.write(other, "1", None)
        found["other verify"] = audit.verify(other)
    return found


def remove(context: Context) -> dict[str, Any]:
    """One key, from every table; what VACUUM would cost before and after."""
    found: dict[str, Any] = {"vacuum before": audit.vacuum(context, 0)}
    trained = Lineage(context.ledger.records).training("1")
    assert trained is not None
    rows = context.tables.read(Read("features")).where(f"at < '{trained.facts['until']}'")
    key = rows.orderBy("at").collect()[-1][context.pipeline.features.key]
    found["erase dry"] = erase.erase(context, key, None, apply=False)
    found["erase"] = erase.erase(context, key, None, apply=True)
    erase.show(found["erase"], context)
    try:
        erase.erase(context, key, None, apply=True)
    except UsageError as error:
        found["erase again"] = str(error)
    found["vacuum after"] = audit.vacuum(context, 0)
    audit_view.show_vacuum(found["vacuum after"])
    return found


def tamper(context: Context) -> dict[str, Any]:
    """A gate's verdict changed behind the ledger's back."""
    found: dict[str, Any] = {"verify after": audit.verify(context)}
    context.spark.sql(f"UPDATE {context.tables.sql_name('runs')} SET record = replace(record, "
                      "'\"passed\": true', '\"passed\": false') WHERE step = 'evaluate' AND interval = '2016-06-17'")
    found["tampered"] = audit.verify(context)
    audit_view.show_verified(found["tampered"])
    return found


def command(name: str, *arguments: str) -> None:
    """A job's command line, as a user gives it, in this process."""
    getattr(cli_trust, name).main([*arguments], standalone_mode=False)


def main(file: str) -> None:
    """The questions, in an order that leaves each something to find."""
    with opened(file, None, as_json=True) as context:
        found = {**look(context), **move(context, file), **remove(context)}
    command("card", file, "2", "--json")
    command("explain", file, "--top", "2")
    command("promote", file, "1", "--to", "other", "--json")
    command("erase", file, "--key", "B01", "--column", "station")
    command("audit", file, "--vacuum", "168")
    command("audit", file, "--model", "1", "--json")
    with opened(file, None, as_json=True) as context:
        found |= tamper(context)
    print(json.dumps(found, default=str))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1])
