"""When to tell someone: on a change of state, once, with the reason. Pure; sending is `perdure.io.notify`'s."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SENTENCES = {
    "data": ("the data are refused or unusual", "the data are in order again"),
    "drift": ("features drift", "no feature drifts any more"),
    "performance": ("the model is worse than promised", "the model is as good as promised again"),
    "retrain": ("a training is due", "no training is due any more"),
    "model": ("a candidate did not pass its gate", "a candidate passed its gate again"),
    "approval": ("a candidate waits for approval", "no candidate waits for approval any more"),
}
"""What is said of each kind of state as it begins and as it ends."""


@dataclass(frozen=True)
class State:
    """Whether something is amiss, and why (or why not)."""

    amiss: bool
    reason: str = ""


@dataclass(frozen=True)
class Message:
    """One notice: a line, and a text of a few lines."""

    title: str
    body: str
    changed: tuple[str, ...]


def message(
    subject: str, states: Mapping[str, State], before: Mapping[str, bool], on: Sequence[str], command: str
) -> Message | None:
    """The notice of all changes since `before` (kind -> whether it was amiss; what isn't there was not), in the kinds
    `on`; None where there is none. `subject`: pipeline and interval; `command`: how to look deeper."""
    changed = tuple(kind for kind in SENTENCES if kind in states and kind in on
                    and states[kind].amiss != before.get(kind, False))
    if not changed:
        return None
    said = [(SENTENCES[kind][0 if states[kind].amiss else 1], states[kind].reason) for kind in changed]
    lines = [f"{sentence[0].upper()}{sentence[1:]}." + (f" {reason}" if reason else "") for sentence, reason in said]
    title = f"{subject}: {'; '.join(sentence for sentence, _ in said)}"
    return Message(title, "\n".join([*lines, "", f"Look deeper: {command}"]), changed)
