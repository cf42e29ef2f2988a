"""What a job says while it works: one line a finished run on the terminal, nothing but the result with `--json`."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape

from perdure.core.gate import GateResult
from perdure.core.record import RunRecord

_STYLES = {"done": "green", "refused": "red", "failed": "bold red"}


class Progress:
    """Prints runs as they end. Thread-safe; quiet when `silent`: then only what a gate refused is printed."""

    def __init__(self, *, silent: bool = False) -> None:
        """Writes to standard error, so that standard output is the result's."""
        self._console = Console(stderr=True, quiet=silent, soft_wrap=True, highlight=False)
        self._loud = Console(stderr=True, soft_wrap=True, highlight=False)
        self._lock = threading.Lock()
        self._live = sys.stderr.isatty() and not silent

    def say(self, text: str) -> None:
        """One plain line."""
        with self._lock:
            self._console.print(escape(text))

    def heading(self, text: str) -> None:
        """One line that begins a part."""
        with self._lock:
            self._console.print(f"[bold]{escape(text)}[/bold]")

    def working(self, text: str) -> None:
        """What is being done now; only on a terminal, and gone with the next line."""
        if self._live:
            with self._lock:
                self._console.print(f"[dim]… {escape(text)}[/dim]", end="\r")

    def ended(self, record: RunRecord, note: str = "") -> None:
        """A run that ended: step, subject, rows written, seconds, and `note`."""
        rows = " ".join(f"{output.table}={output.rows:,}" for output in record.outputs
                        if output.rows is not None and output not in record.elsewhere)  # fmt: skip
        if record.facts.get("late"):
            rows += f" (late: {', '.join(f'{count:,} of {label}' for label, count in record.facts['late'].items())})"
        style = _STYLES.get(record.status, "white")
        title = escape(f"{record.interval} {record.step} {record.subject}".strip())
        tail = escape("  ".join(part for part in (rows, note) if part))
        with self._lock:
            self._console.print(
                f"  [{style}]{record.status:7}[/{style}] {title:30} [dim]{record.seconds:6.1f} s[/dim]  {tail}"
            )

    def gate(self, gate: GateResult, *, all_lines: bool = False) -> None:
        """The gate's lines that did not hold (or all)."""
        for line in gate.lines if all_lines else gate.failures:
            if gate.passed:
                self.say(f"          {line}")
            else:
                with self._lock:
                    self._loud.print(escape(f"          {line}"))

    def search(self, trials: int, ended: Sequence[Any] = ()) -> Callable[[Any], None]:
        """A callback for a search's trials: each as it ends, with the best so far. `trials`: how many there are at
        most; `ended`: those that an earlier run has ended."""
        last = {trial.number: trial for trial in ended}  # as each has ended last

        def best() -> str:
            found = min((trial for trial in last.values() if trial.loss is not None), key=_loss, default=None)
            return f"best {found.loss:.4f} ({found.family})" if found else ""

        if ended:
            told = f"; {best()}" if best() else ""
            self.say(f"          {len(last)} trials of {trials} ended before this search was cut off, and count{told}")

        def tell(trial: Any) -> None:
            with lock:
                last[trial.number] = trial
                head = f"trial {trial.number:>3} ({len(last)} of {trials}) {trial.family:20}"
                tail = f"  {best()}" if best() else ""
            if trial.status == "failed":
                self.say(f"          {head} failed: {trial.error}")
                return
            rows = "a share of the rows" if trial.status == "stopped" else "all rows"
            seen = "" if trial.early is None else f" on {rows}"
            self.say(f"          {head} loss {trial.loss:.4f}{seen} in {trial.seconds:.1f} s{tail}")

        lock = threading.Lock()
        return tell


def _loss(trial: Any) -> tuple[bool, float, int]:
    """A loss on all rows comes before one on a share of them."""
    return trial.status == "stopped", trial.loss, trial.number
