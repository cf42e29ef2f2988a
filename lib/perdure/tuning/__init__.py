"""The search for a model family and its params. The only package that imports hyperopt."""

from __future__ import annotations

from .search import Effort, Trial, best, search

__all__ = ["Effort", "Trial", "best", "search"]
