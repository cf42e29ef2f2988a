"""SHAP values against the shap library's, and against the definition."""

from __future__ import annotations

import json
from itertools import combinations
from math import factorial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perdure.models import shap
from perdure.models.trees import Tree

SHARED = json.loads(Path(__file__).with_name("shap.json").read_text())
ROWS = np.array(SHARED["rows"])
TYPES = {"left": np.int64, "right": np.int64, "feature": np.int64, "categories": np.uint64}


@pytest.mark.parametrize("name", [name for name, model in SHARED["models"].items() if "trees" in model])
def test_trees_equal_the_shap_library(name: str) -> None:
    model = SHARED["models"][name]
    trees = [Tree(**{key: np.array(values, dtype=TYPES.get(key, float)) for key, values in tree.items()})
             for tree in model["trees"]]
    paths, base = shap.paths(trees)
    values = shap.tree_values(paths, ROWS, np.arange(ROWS.shape[1]))
    np.testing.assert_allclose(values, model["values"], rtol=0, atol=1e-12)
    assert base == pytest.approx(model["base"], abs=1e-12)
    raw = sum(tree.leaves(ROWS) for tree in trees)
    np.testing.assert_allclose(values.sum(axis=1) + base, raw, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", [name for name, model in SHARED["models"].items() if "weights" in model])
def test_linear_models_equal_the_shap_library(name: str) -> None:
    model = SHARED["models"][name]
    values = shap.linear_values(np.array(model["weights"]), np.array(model["means"]), ROWS, np.arange(ROWS.shape[1]))
    np.testing.assert_allclose(values, model["values"], rtol=0, atol=1e-12)


def random_tree(chance: np.random.Generator, depth: int, features: int) -> Tree:
    """Numbers in features 0..features-2, a category of 64 in the last; a feature may come again below itself."""
    rows: list[list[Any]] = []

    def grow(level: int, cover: float) -> int:
        place = len(rows)
        rows.append([0, 0, -1, 0.0, 0, cover, float(chance.normal())])
        if level < depth and cover > 2:
            share, feature = chance.uniform(0.2, 0.8), int(chance.integers(features))
            category = feature == features - 1
            bits = int(chance.integers(1, 2**63)) | (1 << 63) * int(chance.integers(2)) if category else 0
            rows[place][2:5] = [feature, float(chance.normal()), bits]
            rows[place][0] = grow(level + 1, cover * share)
            rows[place][1] = grow(level + 1, cover * (1 - share))
        return place

    grow(0, 1000.0)
    names = list(Tree.__dataclass_fields__)
    return Tree(**{name: np.array([row[i] for row in rows], dtype=TYPES.get(name, float))
                   for i, name in enumerate(names)})


def expected(tree: Tree, row: Any, known: frozenset[int], node: int = 0) -> float:
    """What the tree says when only some features are known: the definition."""
    feature = int(tree.feature[node])
    left, right = int(tree.left[node]), int(tree.right[node])
    if feature < 0:
        return float(tree.value[node])
    if feature in known:
        sets = int(tree.categories[node])
        goes_left = bool(sets >> int(row[feature]) & 1) if sets else row[feature] <= tree.threshold[node]
        return expected(tree, row, known, left if goes_left else right)
    both = [(expected(tree, row, known, child), float(tree.cover[child])) for child in (left, right)]
    return sum(value * cover for value, cover in both) / float(tree.cover[node])


@pytest.mark.parametrize("seed", range(5))
def test_trees_with_categories_equal_the_definition(seed: int) -> None:
    chance, features = np.random.default_rng(seed), 5
    trees = [random_tree(chance, 6, features) for _ in range(2)]
    rows = np.column_stack([chance.normal(size=(4, features - 1)), chance.integers(0, 64, 4)])
    rows[0, -1] = 63
    paths, base = shap.paths(trees)
    found = shap.tree_values(paths, rows, np.arange(features))
    for row, values in zip(rows, found, strict=True):
        for i in range(features):
            rest, wanted = [j for j in range(features) if j != i], 0.0
            for size in range(features):
                weight = factorial(size) * factorial(features - size - 1) / factorial(features)
                wanted += weight * sum(expected(tree, row, frozenset((*some, i))) - expected(tree, row, frozenset(some))
                                       for some in combinations(rest, size) for tree in trees)
            assert values[i] == pytest.approx(wanted, abs=1e-12)
    assert base == pytest.approx(sum(expected(tree, rows[0], frozenset()) for tree in trees), abs=1e-12)


def test_features_of_one_column_are_added() -> None:
    trees = [random_tree(np.random.default_rng(9), 5, 5)]
    rows = np.random.default_rng(1).normal(size=(300, 5)).clip(0)
    paths, _ = shap.paths(trees)
    single = shap.tree_values(paths, rows, np.arange(5))
    folded = shap.tree_values(paths, rows, np.array([0, 1, 1, 2, 2]))
    np.testing.assert_allclose(folded, np.column_stack([single[:, 0], single[:, 1:3].sum(1), single[:, 3:].sum(1)]),
                               atol=1e-12)


def test_a_tree_without_splits_has_a_base_alone() -> None:
    leaf = np.array([0])
    tree = Tree(leaf, leaf, leaf - 1, leaf * 1.0, leaf.astype(np.uint64), leaf + 5.0, leaf + 0.25)
    paths, base = shap.paths([tree])
    assert (paths, base) == ((), 0.25)
    assert not shap.tree_values(paths, np.zeros((3, 2)), np.arange(2)).any()
