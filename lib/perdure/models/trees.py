"""The trees of fitted MLlib models as plain arrays, read from a model's saved files: no Spark job, no JVM.

Decision trees, random forests and gradient-boosted trees, for classification into two classes and for regression.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from perdure.core.errors import PerdureError

_BITS = 64
_KINDS = {
    "DecisionTreeClassificationModel": "votes", "RandomForestClassificationModel": "votes",
    "GBTClassificationModel": "margin", "DecisionTreeRegressionModel": "value",
    "RandomForestRegressionModel": "value", "GBTRegressionModel": "value",
}  # fmt: skip


@dataclass(frozen=True)
class Tree:
    """One tree; node 0 is the root. `feature` is -1 in leaves. A row goes left when its number is at or below
    `threshold`, or, where `categories` isn't 0, when the bit of its category is set in it. `cover`: how much of the
    training rows came through a node. `value`: what the tree adds to the model's raw answer in a leaf."""

    left: Any
    right: Any
    feature: Any
    threshold: Any
    categories: Any
    cover: Any
    value: Any

    def leaves(self, rows: Any) -> Any:
        """The leaf's `value` for each row of a matrix (rows, features)."""
        node = np.zeros(len(rows), dtype=np.int64)
        every = np.arange(len(rows))
        while True:
            feature = self.feature[node]
            inner = feature >= 0
            if not inner.any():
                return self.value[node]
            x = rows[every, np.maximum(feature, 0)]
            sets = self.categories[node]
            goes_left = x <= self.threshold[node]
            if self.categories.any():
                bits = np.uint64(1) << np.minimum(np.maximum(x, 0), _BITS - 1).astype(np.uint64)
                goes_left = np.where(sets != 0, (sets & bits) != 0, goes_left)
            node = np.where(inner, np.where(goes_left, self.left[node], self.right[node]), node)


def kind(model: Any) -> str | None:
    """What the sum over a model's trees is: the `votes` for class 1 (its probability), a `margin` (half a logit) or
    the `value` itself. None for anything but a model of trees."""
    return _KINDS.get(type(model).__name__)


def nodes(folder: str | Path) -> list[dict[int, dict[str, Any]]]:
    """Each tree's nodes by their number, as MLlib saved them in `folder` (`.../stages/3_GBTClassifier_ab12`)."""
    from pyarrow import parquet

    found: dict[int, dict[int, dict[str, Any]]] = {}
    for row in parquet.read_table(Path(folder, "data"), partitioning=None).to_pylist():
        node = row.get("nodeData") or row
        found.setdefault(row.get("treeID") or 0, {})[node["id"]] = node
    return [found[number] for number in sorted(found)]


def read(model: Any, folder: str | Path) -> list[Tree]:
    """The trees of a fitted model from `folder`, where it was saved.

    Raises PerdureError for trees of more than two classes, and for splits on more than 64 categories."""
    stored = nodes(folder)
    weights = list(getattr(model, "treeWeights", [1.0]))
    name = type(model).__name__
    share = 1.0 / len(stored) if name.startswith("RandomForest") else None
    return [_tree(tree, weight if share is None else share, votes=kind(model) == "votes")
            for tree, weight in zip(stored, weights, strict=True)]


def _tree(nodes: Mapping[int, Mapping[str, Any]], weight: float, *, votes: bool) -> Tree:
    order = {number: place for place, number in enumerate(sorted(nodes))}
    size = len(order)
    left, right = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
    feature, threshold = np.full(size, -1, dtype=np.int64), np.zeros(size)
    categories, cover, value = np.zeros(size, dtype=np.uint64), np.zeros(size), np.zeros(size)
    for number, node in nodes.items():
        place, stats = order[number], node["impurityStats"]
        cover[place] = sum(stats) if votes else stats[0]
        if votes and len(stats) > 2:
            raise PerdureError(f"only trees of two classes are explained; this one has {len(stats)}")
        own = (stats[1] / sum(stats) if sum(stats) else 0.0) if votes else node["prediction"]
        value[place] = own * weight
        if node["leftChild"] < 0:
            continue
        split = node["split"]
        left[place], right[place] = order[node["leftChild"]], order[node["rightChild"]]
        feature[place] = split["featureIndex"]
        if split["numCategories"] < 0:
            threshold[place] = split["leftCategoriesOrThreshold"][0]
        else:
            categories[place] = _bits(split)
    return Tree(left, right, feature, threshold, categories, cover, value)


def _bits(split: Mapping[str, Any]) -> int:
    if split["numCategories"] > _BITS:
        raise PerdureError(f"a split on {split['numCategories']} categories can't be explained; 64 at most")
    return sum(1 << int(category) for category in split["leftCategoriesOrThreshold"])
