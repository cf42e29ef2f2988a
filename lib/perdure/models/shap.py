"""Exact SHAP values of trees (path-dependent, as TreeSHAP gives them) and of linear models, over whole batches of rows.

TreeSHAP (Lundberg et al. 2018, arXiv:1802.03888) says what a tree expects when it knows some of the features: where
it doesn't know the one it splits on, it follows both branches by the training rows that took them. For the path to a
leaf with value v and different features 1..d, let z_j be the share of rows that stay on the path at the splits on j,
and o_j whether the row at hand does. The Shapley value of feature i on the path is then

    v (o_i - z_i) sum over S without i of |S|! (d-|S|-1)! / d!  prod_{j in S} o_j  prod_{j not in S, j != i} z_j
  = v (o_i - z_i) integral over t in [0, 1] of prod_{j != i} (t o_j + (1-t) z_j)

since the weight is a beta integral. The integrand is a polynomial of degree d-1, so Gauss-Legendre quadrature with
ceil(d/2) points is exact, and all rows and paths of equal d are one numpy expression. No factor is 0, so each product
without i is the whole product divided by factor i.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .trees import Tree

_ALL = np.uint64(2**64 - 1)
_CELLS = 1_000_000  # cells of the working arrays: rows x paths x features of a path


@dataclass(frozen=True)
class Paths:
    """Paths to leaves that have equally many (d) different features: (paths, d) arrays, and `value` (paths).

    A row stays on the path at feature j when low_j < x <= high_j and, where `sets`_j has a bit off, the bit of
    category x is on. `share`: z of the formula."""

    feature: Any
    low: Any
    high: Any
    sets: Any
    share: Any
    value: Any


def paths(trees: Sequence[Tree]) -> tuple[tuple[Paths, ...], float]:
    """The trees' paths by their number of features, and what the trees give without knowing any: the base value."""
    found: dict[int, list[tuple[dict[int, list[Any]], float]]] = {}
    base = 0.0
    for tree in trees:
        stack: list[tuple[int, dict[int, list[Any]]]] = [(0, {})]
        while stack:
            node, known = stack.pop()
            feature = int(tree.feature[node])
            if feature < 0:
                value = float(tree.value[node])
                base += value * float(np.prod([each[3] for each in known.values()]))
                if known and value:
                    found.setdefault(len(known), []).append((known, value))
                continue
            stack += [(child, _taken(tree, node, child, known)) for child in (tree.left[node], tree.right[node])]
    return tuple(_stacked(found[size]) for size in sorted(found)), base


def _taken(tree: Tree, node: int, child: int, known: dict[int, list[Any]]) -> dict[int, list[Any]]:
    """What is known of a row on the way to a node, after the step to its child: feature -> low, high, set, share."""
    feature, on_left = int(tree.feature[node]), child == tree.left[node]
    low, high, sets, share = known.get(feature, [-np.inf, np.inf, _ALL, 1.0])
    if tree.categories[node]:
        sets = sets & (tree.categories[node] if on_left else ~tree.categories[node])
    elif on_left:
        high = min(high, tree.threshold[node])
    else:
        low = max(low, tree.threshold[node])
    return {**known, feature: [low, high, sets, share * tree.cover[child] / tree.cover[node]]}


def _stacked(some: list[tuple[dict[int, list[Any]], float]]) -> Paths:
    feature = np.array([list(known) for known, _ in some], dtype=np.int64)
    low, high, share = (np.array([[each[place] for each in known.values()] for known, _ in some], dtype=float)
                        for place in (0, 1, 3))  # fmt: skip
    sets = np.array([[each[2] for each in known.values()] for known, _ in some], dtype=np.uint64)
    return Paths(feature, low, high, sets, share, np.array([value for _, value in some]))


def tree_values(groups: Sequence[Paths], rows: Any, slots: Any) -> Any:
    """SHAP values (rows, columns) for a matrix (rows, features); `slots` (features) tells the column that each feature
    counts for, and values of one column are added."""
    result = np.zeros((len(rows), int(slots.max()) + 1))
    for group in groups:
        count, size = group.feature.shape
        wide = max(1, min(count, _CELLS // size // 64))
        for first in range(0, count, wide):
            part = Paths(*(getattr(group, name)[first : first + wide] for name in Paths.__dataclass_fields__))
            columns = np.zeros((part.feature.size, result.shape[1]))
            columns[np.arange(part.feature.size), slots[part.feature].ravel()] = 1.0
            step = max(1, _CELLS // part.feature.size)
            for start in range(0, len(rows), step):
                some = rows[start : start + step]
                result[start : start + step] += _contributions(part, some).reshape(len(some), -1) @ columns
    return result


def _contributions(group: Paths, rows: Any) -> Any:
    """(rows, paths, d): the formula above."""
    x = rows[:, group.feature]
    stays = (x > group.low) & (x <= group.high)
    chosen = group.sets != _ALL
    if chosen.any():
        bits = np.uint64(1) << np.clip(x[:, chosen], 0, 63).astype(np.uint64)
        stays[:, chosen] = (group.sets[chosen] & bits) != 0
    size = group.feature.shape[1]
    points, weights = np.polynomial.legendre.leggauss((size + 1) // 2)
    total = np.zeros(x.shape)
    for point, weight in zip((points + 1) / 2, weights / 2, strict=True):
        factors = (1 - point) * group.share + point * stays
        total += weight * factors.prod(axis=-1, keepdims=True) / factors
    return group.value[:, None] * (stays - group.share) * total


def cost(groups: Sequence[Paths]) -> int:
    """About how many cells a row costs: rows x this many is what a batch takes."""
    return sum(group.feature.size * ((group.feature.shape[1] + 1) // 2 + 2) for group in groups)


def linear_values(weights: Any, means: Any, rows: Any, slots: Any) -> Any:
    """SHAP values (rows, columns) of a linear model whose features are taken as independent (Lundberg & Lee 2017):
    weight times the distance from the mean."""
    columns = np.zeros((len(slots), int(slots.max()) + 1))
    columns[np.arange(len(slots)), slots] = 1.0
    return ((rows - means) * weights) @ columns
