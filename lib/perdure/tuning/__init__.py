"""The search for a model family and its params. The only package that imports hyperopt."""

from __future__ import annotations

from .search import Trial, best, search

__all__ = ["Trial", "best", "search"]
