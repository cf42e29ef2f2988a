"""The report: one self-contained page (and its content as Markdown and JSON) about a pipeline's life. No Spark, no MLflow."""

from __future__ import annotations

from .data import (
    Champion,
    Comparison,
    Decision,
    Distribution,
    Drift,
    Importance,
    Performance,
    PipelineFacts,
    Profile,
    ReportData,
    Trial,
)
from .render import render, to_json, to_markdown

__all__ = [
    "Champion",
    "Comparison",
    "Decision",
    "Distribution",
    "Drift",
    "Importance",
    "Performance",
    "PipelineFacts",
    "Profile",
    "ReportData",
    "Trial",
    "render",
    "to_json",
    "to_markdown",
]
