"""An audit's answers on the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .terminal import console

_FILES, _NAME = 4, 18


def show_verified(found: Mapping[str, Any]) -> None:
    """The verdict first, then what to keep, or what is wrong."""
    out = console()
    chained = found["records"] - found["unchained"]
    if found["intact"]:
        out.print(f"[bold green]intact[/]: {found['records']:,} records of {found['table']} are as they were written")
    else:
        out.print(f"[bold red]NOT intact[/]: {found['table']}, {found['records']:,} records")
    said = f"{chained:,} in the chain, of {_count(found['sessions'], 'session')}"
    if found["forks"]:
        said += f"; {_count(found['forks'], 'time')} one wrote beside another"
    if found["unchained"]:
        said += f"; {found['unchained']:,} older than the chain" + (", named by its beginning" if chained else "")
    _line(out, "records", said)
    for head in found["heads"]:
        _line(out, "head", f"{head}  (kept elsewhere, it proves the end too: --anchor)")
    if found["problems"]:
        first = found["problems"][0]
        _line(out, "first", f"{first['kind']}: {first['name']} {first['run_id'][:12]}: {first['why']}")
        _table(out, "what is wrong", [
            {"place": "-" if each["position"] < 0 else each["position"], "what": each["kind"], "record": each["name"],
             "run": each["run_id"][:12], "how it shows": each["why"]} for each in found["problems"]])  # fmt: skip
    if found["rewritten"]:
        _table(out, "commits that did more than append (time travel to the version before shows what there was)", [
            {"version": each["version"], "at": each["at"], "what": each["operation"], "by": each["by"] or "",
             "condition": str(each["what"].get("predicate", ""))} for each in found["rewritten"]])  # fmt: skip


def show_prediction(found: Sequence[Mapping[str, Any]]) -> None:
    """Each prediction with all that is behind it."""
    out = console()
    for each in found:
        row, scored = each["prediction"], each["scoring"]
        out.rule("[bold]prediction")
        for name, value in row.items():
            if value is not None:
                _line(out, name, str(value))
        if scored:
            _ran(out, "scored", scored)
        if each["data"]:
            _data(out, "the row's own data", each["data"])
        show_model(each["model"], out)


def show_model(found: Mapping[str, Any], out: Console | None = None) -> None:
    """A model version with all that is behind it."""
    out = out or console()
    out.rule(f"[bold]model version {found['version']}")
    trained, judged, decided = found["training"], found["evaluation"], found["decision"]
    if not trained:
        out.print("trained elsewhere: the ledger here holds no training of it")
        return
    params = ", ".join(f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
                       for name, value in sorted((trained["params"] or {}).items()))  # fmt: skip
    _line(out, "family", f"{trained['family']} ({params}), seed {trained['seed']}")
    _line(out, "learnt from", f"{trained['rows']:,} rows, {trained['since'][:16]} to {trained['until'][:16]}")
    if found.get("imported"):
        there = found["imported"]
        _line(out, "trained", f"{there['started_at'][:19].replace('T', ' ')} UTC by {there['who']} on "
                              f"{there['target']} (there v{there['version']}), run {there['run'][:12]}, "
                              f"code {there['code']}")  # fmt: skip
    _ran(out, "brought here" if found.get("imported") else "trained", trained)
    if decided:
        _line(out, "decided", f"{decided['decision']}, in effect from {str(decided['effective_from'])[:16]}: "
                              f"{decided['reason']}; by {decided['who']} at {decided['started_at'][:19]}")  # fmt: skip
    if answer := found.get("approval"):
        _line(out, "asked for approval", f"{answer['answer']} by {answer['who']} at {answer['started_at'][:19]}: "
                                         f"{answer['why']}")  # fmt: skip
    if judged:
        _table(out, f"its gate, on {judged['rows']:,} held-out rows", [
            {"": "ok" if line["passed"] else "FAIL", "rule": line["rule"], "measured": line["measured"],
             "must be": line["bound"], "severity": line["severity"]} for line in judged["gate"]])  # fmt: skip
    _data(out, "its training data", found["data"])
    _line(out, "environment", ", ".join(f"{name} {value}" for name, value in sorted(trained["environment"].items())))


def show_file(found: Mapping[str, Any]) -> None:
    """What a file touched."""
    out = console()
    for path in found["files"]:
        _line(out, "file", path)
    _line(out, "read as", f"source {found['source']}, for {', '.join(found['intervals'])}")
    if not found["models"]:
        out.print("no model version learnt from its rows")
    else:
        _table(out, "model versions that learnt from its rows", [
            {"version": f"v{each['version']}", "trained": each["interval"], "decision": each["decision"] or "-",
             "run": each["run"][:12]} for each in found["models"]])  # fmt: skip
    if not found["predictions"]:
        out.print("no prediction was touched")
        return
    _table(out, "predictions it touched", [
        {"interval": each["interval"], "rows": f"{each['rows']:,}", "by model": f"v{each['model_version']}",
         "because": " and ".join(filter(None, ("their features were made with it" if each["by_its_rows"] else "",
                                               "their model learnt from it" if each["by_its_model"] else ""))),
         "run": each["run"][:12]} for each in found["predictions"]])  # fmt: skip


def _ran(out: Console, name: str, run: Mapping[str, Any]) -> None:
    commit = run["environment"].get("commit", "-")
    _line(out, name, f"{run['started_at'][:19].replace('T', ' ')} UTC by {run['who']} on {run['target']}, run "
                     f"{run['run'][:12]}, code {run['code']}, commit {commit}")  # fmt: skip


def _data(out: Console, title: str, found: Mapping[str, Any]) -> None:
    tables = [f"{each['table']}@{each['version']}"
              + (f" [{each['since'][:10]}, {each['until'][:10]})" if each["since"] and each["until"] else "")
              for each in found["tables"]]  # fmt: skip
    _line(out, title, ", ".join(tables))
    rows = []
    for name, source in found["sources"].items():
        files = [f"{each['path'].rsplit('/', 1)[-1]} ({each['size']:,} bytes)" for each in source["files"]]
        more = [f"and {len(files) - _FILES} more (--json has all)"] if len(files) > _FILES else []
        rules = source["expectations"]
        failed = [rule for rule, count in rules.items() if count["failed"]]
        checks = f"{len(rules) - len(failed)} of {len(rules)} always held"
        rows.append({"source": name, "intervals": _span(source["intervals"]),
                     "rows": f"{source.get('rows_in', 0):,}", "quarantined": f"{source.get('quarantined', 0):,}",
                     "expectations": checks + (f"; not: {', '.join(failed)}" if failed else ""),
                     "files": ", ".join([*files[:_FILES], *more])})  # fmt: skip
    _table(out, "", rows)


def _span(labels: Iterable[str]) -> str:
    found = sorted(set(labels))
    return found[0] if len(found) == 1 else f"{found[0]} to {found[-1]}" if found else ""


def _line(out: Console, name: str, text: str) -> None:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=_NAME, style="bold")
    grid.add_column(overflow="fold")
    grid.add_row(escape(name), escape(text))
    out.print(grid)


def _table(out: Console, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    table = Table(box=None, pad_edge=False, header_style="bold", title=escape(title) or None, title_justify="left",
                  title_style="bold")  # fmt: skip
    for name in rows[0]:
        table.add_column(name, overflow="fold", justify="right" if name in ("rows", "quarantined", "place") else "left")
    for row in rows:
        table.add_row(*(escape(str(value)) for value in row.values()))
    out.print(table)


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def show_vacuum(found: Mapping[str, Any]) -> None:
    """Which versions could still be trained again."""
    out = console()
    if not found["lost"]:
        out.print(f"a VACUUM that keeps {found['hours']:g} hours would cost no model version its training data")
    else:
        out.print(f"[bold red]a VACUUM that keeps {found['hours']:g} hours would make "
                  f"{_count(len(found['lost']), 'model version')} irreproducible[/]")  # fmt: skip
        _table(out, "", [
            {"version": f"v{each['version']}", "trained": each["interval"],
             "needs": ", ".join(f"{t['table']}@{t['version']}" for t in each["tables"]),
             "whose files went with": ", ".join(sorted({_commit(t["since"]) for t in each["tables"]}))}
            for each in found["lost"]])  # fmt: skip
    if found["kept"]:
        _line(out, "kept", ", ".join(f"v{version}" for version in found["kept"]))


def _commit(found: Mapping[str, Any]) -> str:
    return f"{found['operation']} of {found['at'][:16]}"
