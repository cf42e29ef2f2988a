from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.core.errors import PerdureError
from perdure.evaluation.reweighing import weights


def test_the_example_of_the_paper() -> None:
    """Kamiran and Calders 2012, table 3: five men, five women; four and two were hired."""
    rows = {("male", 1.0): 4, ("male", 0.0): 1, ("female", 1.0): 2, ("female", 0.0): 3}
    found = {cell: round(weight, 2) for cell, weight in weights(rows).items()}
    assert found == {("male", 1.0): 0.75, ("male", 0.0): 2.0, ("female", 1.0): 1.5, ("female", 0.0): 0.67}


@given(st.dictionaries(st.sampled_from("abcde"), st.tuples(st.integers(1, 999), st.integers(1, 999)), min_size=1))
def test_group_and_label_are_independent_under_the_weights(groups: dict[str, tuple[int, int]]) -> None:
    rows = {(group, float(label)): count for group, counts in groups.items() for label, count in enumerate(counts)}
    found = weights(rows)
    whole, positives = sum(rows.values()), sum(counts[1] for counts in groups.values())
    for group, (zeros, ones) in groups.items():
        weighed = [found[group, 0.0] * zeros, found[group, 1.0] * ones]
        assert sum(weighed) == pytest.approx(zeros + ones)
        assert weighed[1] / sum(weighed) == pytest.approx(positives / whole)


def test_a_group_with_one_label_cant_be_weighed() -> None:
    with pytest.raises(PerdureError, match=r"all training rows of x have one label. Join small groups"):
        weights({("x", 1.0): 4, ("y", 0.0): 1, ("y", 1.0): 2})
