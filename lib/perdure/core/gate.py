"""Gate results: the one type for data validation, the model gate, the environment check, rollout and retraining."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Severity = Literal["critical", "warning", "info"]


@dataclass(frozen=True)
class GateLine:
    """One rule's outcome: what was measured, the bound it was held against, and whether it held."""

    rule: str
    passed: bool
    measured: str
    bound: str
    severity: Severity = "critical"

    def __str__(self) -> str:
        """One line for a log."""
        return (
            f"{'ok  ' if self.passed else 'FAIL'} {self.severity:8} {self.rule}: {self.measured} (must be {self.bound})"
        )

    @property
    def sentence(self) -> str:
        """The outcome as a clause: what was measured, and what it must be."""
        return f"{self.rule.replace('_', ' ')} is {self.measured}, and must be {self.bound}"


@dataclass(frozen=True)
class GateResult:
    """A named set of lines. It passes when no critical line failed; warnings never stop anything."""

    name: str
    lines: tuple[GateLine, ...] = field(default_factory=tuple)

    @property
    def passed(self) -> bool:
        """Whether every critical line held."""
        return not any(line.severity == "critical" and not line.passed for line in self.lines)

    @property
    def failures(self) -> tuple[GateLine, ...]:
        """The lines that did not hold, of any severity."""
        return tuple(line for line in self.lines if not line.passed)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, `passed` included."""
        return {"name": self.name, "passed": self.passed, "lines": [asdict(line) for line in self.lines]}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> GateResult:
        """The inverse of `to_dict`."""
        return cls(data["name"], tuple(GateLine(**line) for line in data["lines"]))
