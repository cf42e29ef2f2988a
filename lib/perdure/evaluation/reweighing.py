"""Weights for training rows: with which group and label are independent (reweighing), or classes count alike.

F. Kamiran and T. Calders 2012, "Data preprocessing techniques for classification without discrimination": a row of
group g with label y weighs P(g) P(y) / P(g, y): how often such rows would be expected to occur, were the label
independent of the group, over how often they do. The weights of all rows sum to their number, and so do those of each
group and of each label.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from perdure.core.errors import PerdureError

Cell = tuple[str, float]
"""A group, and a label."""


def weights(rows: Mapping[Cell, int]) -> dict[Cell, float]:
    """The weight of a row in each cell that has rows. Raises PerdureError when a group's labels are all alike: there is
    nothing to weigh them against."""
    whole = sum(rows.values())
    by_group, by_label, labels = Counter[str](), Counter[float](), Counter[str]()
    for (group, label), count in rows.items():
        by_group[group] += count
        by_label[label] += count
        labels[group] += 1
    alone = sorted(group for group, count in labels.items() if count < len(by_label))
    if alone:
        raise PerdureError("reweighing needs rows of both classes in every group of model.fairness.group; all training "
                           f"rows of {', '.join(alone[:5])} have one label. Join small groups in the features' SQL, or "
                           "lengthen train.window")
    return {(group, label): by_group[group] * by_label[label] / (whole * count)
            for (group, label), count in rows.items()}


def balanced(rows: Mapping[str, int]) -> dict[str, float]:
    """The weight of a row of each class that has rows, with which all classes count as much and the weights of all rows
    sum to their number: rows / (classes x rows of the class) (G. King and L. Zeng 2001, "Logistic regression in rare
    events data", for equal shares; scikit-learn's "balanced")."""
    there = {label: count for label, count in rows.items() if count}
    whole = sum(there.values())
    return {label: whole / (len(there) * count) for label, count in there.items()}
