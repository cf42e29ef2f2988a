"""What the tasks of a single-machine estimator do: fit on all rows of one task, score batch by batch.

Apart from `single`, so that a Python worker needn't load Spark's machine learning to run it.
"""

from __future__ import annotations

import importlib
import json
import pickle
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_CORES = 1


class Fit:
    """What the fitting task does with its batches of x, y, w, place: one row, the pickle and what is told of it."""

    def __init__(self, kind: str, chosen: Mapping[str, Any], task: str, classes: int) -> None:
        """`kind`: the estimator's class as `module:name`; `classes`: how many, 0 where it isn't known or a number is
        predicted."""
        self.kind, self.chosen, self.task, self.classes = kind, dict(chosen), task, classes

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import numpy as np
        import pyarrow as pa
        from threadpoolctl import threadpool_limits

        found = list(batches)
        if not sum(batch.num_rows for batch in found):
            raise ValueError("there are no rows to fit on")
        table = pa.Table.from_batches(found).combine_chunks()
        order = np.argsort(table["place"].to_numpy(), kind="stable")
        x = _matrix(table["x"].combine_chunks(), table.num_rows)[order]
        y, w = (table[name].to_numpy()[order] for name in ("y", "w"))
        with threadpool_limits(_CORES):
            model = estimator_class(self.kind)(**self.chosen).fit(x, y, sample_weight=w)
        classes = 0
        if self.task != "regression":
            classes = max(self.classes, 2, int(y.max()) + 1)
        told = {"classes": classes, **_told(model, x.shape[1])}
        yield pa.RecordBatch.from_pydict({"model": [pickle.dumps(model)], "told": [json.dumps(told)]})


class Score:
    """What a scoring task does with a batch of vectors: predictions, or each class's probability by its number."""

    def __init__(self, pickled: bytes, classes: int) -> None:
        """`classes`: how many, 0 where a number is predicted."""
        self.pickled, self.classes, self.model = pickled, classes, None

    def __call__(self, vectors: pa.Array) -> pa.Array:
        import numpy as np
        import pyarrow as pa
        from threadpoolctl import threadpool_limits

        if self.model is None:
            self.model = pickle.loads(self.pickled)  # from the registry that the pipeline trusts
        model: Any = self.model
        count = len(vectors)
        x = _matrix(vectors, count)
        with threadpool_limits(_CORES):
            if not self.classes:
                return pa.array(model.predict(x) if count else [], pa.float64())
            answers = np.zeros((count, self.classes))
            if count:
                answers[:, model.classes_.astype(int)] = model.predict_proba(x)
        starts = np.arange(count + 1, dtype=np.int32) * self.classes
        return pa.ListArray.from_arrays(pa.array(starts), pa.array(answers.ravel()))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "model": None}


def _matrix(vectors: pa.Array, count: int) -> np.ndarray[Any, Any]:
    values = vectors.flatten().to_numpy(zero_copy_only=False)
    return values.reshape(count, -1) if count else values.reshape(0, 0)  # type: ignore[no-any-return]


def estimator_class(kind: str) -> Any:
    """The class that `module:name` names."""
    module, name = kind.split(":")
    return getattr(importlib.import_module(module), name)


def _told(model: Any, places: int) -> dict[str, Any]:
    """The gain of each place of the vector, summed over the trees' splits; how many trees and nodes there are. Its
    trees number the places with the categories first."""
    import numpy as np

    nominal = model.is_categorical_ if model.is_categorical_ is not None else np.zeros(places, bool)
    order = [*np.flatnonzero(nominal), *np.flatnonzero(~nominal)]
    gains, trees, nodes = [0.0] * places, 0, 0
    for each in (tree for iteration in model._predictors for tree in iteration):
        trees, nodes = trees + 1, nodes + len(each.nodes)
        for node in each.nodes[each.nodes["is_leaf"] == 0]:
            gains[order[int(node["feature_idx"])]] += float(node["gain"])
    return {"gains": gains, "trees": trees, "nodes": nodes}
