"""Model families, one a file, and the preparation of raw feature rows that they share (`prepare`).

File name = registered name; a family's file gives `tasks`, `encoding`, `space` and `estimator`, as
`perdure.core.protocols.ModelFamily` says.
"""

from __future__ import annotations

HELPERS = ("prepare", "fitted", "compiled", "decision", "golden", "trees", "shap", "explained", "importance",
           "single")
