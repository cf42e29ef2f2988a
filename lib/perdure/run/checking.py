"""What `jobs/check.py` looks at beyond the pipeline file: suites against sources, SQL against the schemas."""

from __future__ import annotations

import json

from perdure.core.config import Pipeline
from perdure.core.errors import PipelineFileError


def check_suites(pipeline: Pipeline, file: str) -> None:
    """Raises PipelineFileError with every problem of every suite."""
    from perdure.quality.suites import problems

    found = []
    for name, source in pipeline.sources.items():
        suite = pipeline.suite_file(name)
        if suite is not None:
            texts = problems(json.loads(suite.read_text(encoding="utf-8")), source.columns)
            found += [f"{suite}: {text}" for text in texts]
    if found:
        raise PipelineFileError(found)


def check_sql(pipeline: Pipeline, file: str) -> dict[str, str]:
    """Analyses the SQL against the declared schemas, without data; gives the features' columns and types. Raises
    PipelineFileError with file, line and the nearest column."""
    from perdure.features.analyse import analyse
    from perdure.io import session

    schema = analyse(session.get(f"perdure check {pipeline.pipeline}"), pipeline)
    return {field.name: field.dataType.simpleString() for field in schema.fields}
