"""Experiment tracking and the model registry. The only MLflow user; the import takes seconds, so it comes late."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perdure.core.errors import PerdureError
from perdure.core.identifiers import quoted
from perdure.core.pipeline_file import resolve_secrets

from ._store import alone, is_at_work, make_database, process, quiet, require_answer
from .session import require_classic

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion as RegisteredVersion
    from pyspark.ml import PipelineModel
    from pyspark.sql import DataFrame

    from .searches import Search

_RUN_ID = "perdure.run_id"
_PROCESS = "perdure.process"
_PARENT = "mlflow.parentRunId"
TRIAL = "perdure.trial"
_EXAMPLE_ROWS = 5
_REMOTE = re.compile(r"(?!file:)[a-z][a-z0-9+.-]*:")


@dataclass(frozen=True)
class TrialLog:
    """One trial as MLflow shows it: a nested run. `note`: what a search that goes on wants to know of it."""

    name: str
    params: Mapping[str, Any]
    metrics: Mapping[str, float]
    status: str = "FINISHED"
    note: str = ""


@dataclass(frozen=True)
class TrainingLog:
    """A training as MLflow shows it: the parent run, its trials, and the model with signature and input example.
    `equip` is given the folder that the model was saved to, before it is stored, to add files of its own. `search`: the
    run that holds the trials that have been stored as they ended, if there is one."""

    run_id: str
    name: str
    params: Mapping[str, Any]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    trials: Sequence[TrialLog]
    model: PipelineModel
    example: DataFrame
    equip: Callable[[Path], None] | None = None
    search: Search | None = None


@dataclass(frozen=True)
class ModelVersion:
    """A registered model version, the tracking run that it came from, and where its files are."""

    version: str
    tracking_run: str
    location: str


def example_rows(rows: DataFrame) -> pd.DataFrame:
    """A handful of rows as MLflow keeps its input example: pandas, decimals as doubles, since its JSON knows none."""
    from pyspark.sql import functions as F
    from pyspark.sql.types import DecimalType

    plain = [F.col(quoted(field.name)).cast("double").alias(field.name)
             if isinstance(field.dataType, DecimalType) else F.col(quoted(field.name)) for field in rows.schema]
    return rows.limit(_EXAMPLE_ROWS).select(*plain).toPandas()


class Tracking:
    """One pipeline's experiment and registered model on one tracking server."""

    def __init__(self, uri: str, name: str, *, root: Path, artifacts: str, experiment: str | None = None) -> None:
        """`name`: of the registered model, and of the experiment unless `experiment` names it (Databricks wants a path
        of the workspace). `root`: what a relative sqlite path starts from. `artifacts`: where a new experiment on a
        database keeps its files."""
        uri = resolve_secrets(uri)
        if uri.startswith("sqlite:///") and not uri.startswith("sqlite:////"):
            file = root / uri.removeprefix("sqlite:///")
            file.parent.mkdir(parents=True, exist_ok=True)
            uri = f"sqlite:///{file}"
        self.uri, self.name = uri, name
        self._artifacts = re.sub("^s3a:", "s3:", artifacts)  # the same place, by the name that MLflow knows
        self._experiment_name = experiment or (f"/Shared/{name}" if uri == "databricks" else name)
        self._models: dict[str, PipelineModel] = {}
        self._client_: MlflowClient | None = None
        self._experiment_: str | None = None

    def log_training(self, log: TrainingLog) -> ModelVersion:
        """Stores a training and registers its model; the same run id again answers with what is there. A training
        that was cut off half-way is removed first."""
        found = self.find(log.run_id)
        begun, kept = (log.search.run, log.search.kept) if log.search else ("", {})
        if found is not None:
            if begun:
                self._delete_runs(begun)
            self._models[found.version] = log.model
            return found
        with quiet():
            run = begun or self._create_run(log.name, {**log.tags, _RUN_ID: log.run_id, _PROCESS: process()})
            self._log(run, log.params, log.metrics)
            for trial in log.trials:
                if trial.name not in kept:
                    self._log_trial(run, trial)
            with alone(self.uri):
                if self.find(log.run_id) is None:
                    self._remove_unfinished(log.run_id, run)
            self._log_model(run, log)
            self._client.set_terminated(run)
            version = self._register_once(run, {**log.tags, _RUN_ID: log.run_id})
        self._models[version.version] = log.model
        return version

    def find(self, run_id: str) -> ModelVersion | None:
        """The version that a training registered, if it got so far."""
        found = [
            version
            for version in self._client.search_model_versions(f"name = '{self.name}'")
            if version.tags.get(_RUN_ID) == run_id
        ]
        first = min(found, key=lambda version: int(version.version), default=None)
        return ModelVersion(str(first.version), str(first.run_id), str(first.source)) if first else None

    def read(self, location: str, name: str) -> str:
        """The text of a file beside a stored model; MLflow itself is only asked where it isn't a local one. Raises
        PerdureError when it can't be read."""
        try:
            if not _REMOTE.match(location):
                return Path(re.sub(r"^file:(//)?", "", location), name).read_text(encoding="utf-8")
            with quiet():
                self._client  # noqa: B018 (sets the tracking server)
                import mlflow.artifacts

                return str(mlflow.artifacts.load_text(f"{location}/{name}"))
        except Exception as error:  # each kind of store has errors of its own
            raise PerdureError(f"{name} of model {self.name} can't be read from {location}: {error}") from error

    def load(self, version: str, *, anew: bool = False) -> PipelineModel:
        """The Spark model of a version; loaded once a process, unless `anew`. Raises PerdureError when it can't be."""
        require_classic(f"loading version {version}")
        if anew or version not in self._models:
            import mlflow.spark
            from mlflow.exceptions import MlflowException

            try:
                with quiet():
                    self._client  # noqa: B018 (sets the tracking server)
                    self._models[version] = mlflow.spark.load_model(f"models:/{self.name}/{version}")
            except (MlflowException, OSError) as error:
                raise PerdureError(
                    f"model {self.name} version {version} can't be loaded from {self.uri}: {error}"
                ) from error
        return self._models[version]

    def files(self, version: str) -> Path:
        """A local folder with a version's Spark model as it was saved; fetched where the store is elsewhere. Raises
        PerdureError when there is no such version."""
        import mlflow.artifacts

        source = self._version(version).source
        with quiet():
            return Path(mlflow.artifacts.download_artifacts(artifact_uri=f"{source}/sparkml"))

    def artifacts(self, version: str) -> Path:
        """A local folder with all that a version's run keeps; fetched where the store is elsewhere."""
        import mlflow.artifacts

        run = str(self._version(version).run_id)
        with quiet():
            uri = self._client.get_run(run).info.artifact_uri
            return Path(mlflow.artifacts.download_artifacts(artifact_uri=uri))

    def bring(self, run_id: str, name: str, folder: Path, tags: Mapping[str, str],
              metrics: Mapping[str, float]) -> ModelVersion:
        """Registers a model that was trained elsewhere, from a folder with its run's files (the model in `model`);
        the same run id again answers with what is there."""
        found = self.find(run_id)
        if found is not None:
            return found
        with quiet():
            self._remove_unfinished(run_id)
            run = self._create_run(name, {**tags, _RUN_ID: run_id})
            self._log(run, {}, metrics)
            self._client.log_artifacts(run, str(folder))
            self._client.set_terminated(run)
            return self._register(run, {**tags, _RUN_ID: run_id})

    def log_texts(self, version: str, texts: Mapping[str, str]) -> None:
        """Adds files to the run of a version: name to content."""
        run = str(self._version(version).run_id)
        with quiet():
            for name, text in texts.items():
                self._client.log_text(run, text, name)

    def describe(self, version: str) -> dict[str, str]:
        """The tags of a version. Raises PerdureError when there is no such version."""
        return dict(self._version(version).tags)

    def _version(self, version: str) -> RegisteredVersion:
        from mlflow.exceptions import MlflowException

        try:
            return self._client.get_model_version(self.name, version)
        except MlflowException as error:
            known = sorted(int(v.version) for v in self._client.search_model_versions(f"name = '{self.name}'"))
            raise PerdureError(f"model {self.name} has no version {version}; it has: {known or 'none yet'}") from error

    def set_alias(self, alias: str, version: str) -> None:
        """Points an alias at a version; once more is harmless."""
        self._client.set_registered_model_alias(self.name, alias, version)

    def remove_alias(self, alias: str) -> None:
        """Takes an alias away; once more is harmless."""
        self._client.delete_registered_model_alias(self.name, alias)

    def tag_version(self, version: str, tags: Mapping[str, str]) -> None:
        """Adds tags to a version."""
        for key, value in tags.items():
            self._client.set_model_version_tag(self.name, version, key, value)

    def log_metrics(self, version: ModelVersion, metrics: Mapping[str, float]) -> None:
        """Adds metrics to the run of a version."""
        self._log(version.tracking_run, {}, metrics)

    @property
    def _client(self) -> MlflowClient:
        """The client; MLflow's own functions go to its servers, too, whichever target was asked last."""
        if self._client_ is None:
            require_answer(self.uri)
            with quiet(), alone(self.uri):
                self._choose()
                import mlflow

                make_database(self.uri)
                self._client_ = mlflow.MlflowClient()
                self._client_.get_experiment_by_name(self._experiment_name)  # makes a server's tables
        else:
            self._choose()
        return self._client_

    def _choose(self) -> None:
        import mlflow

        mlflow.set_tracking_uri(self.uri)
        mlflow.set_registry_uri("databricks-uc" if self.uri == "databricks" else self.uri)

    @property
    def _experiment(self) -> str:
        if self._experiment_ is None:
            client = self._client
            with quiet(), alone(self.uri):
                found = client.get_experiment_by_name(self._experiment_name)
                if found is not None:
                    self._experiment_ = found.experiment_id
                else:
                    place = self._artifacts if self.uri.startswith(("sqlite", "postgresql", "mysql")) else None
                    self._experiment_ = client.create_experiment(
                        self._experiment_name, artifact_location=place
                    )
        return self._experiment_

    def _create_run(self, name: str, tags: Mapping[str, str]) -> str:
        return str(self._client.create_run(self._experiment, tags=dict(tags), run_name=name).info.run_id)

    def _log(self, run: str, params: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
        from mlflow.entities import Metric, Param

        now = int(time.time() * 1000)
        self._client.log_batch(
            run,
            metrics=[Metric(key, float(value), now, 0) for key, value in metrics.items()],
            params=[Param(key, str(value)) for key, value in params.items()],
        )

    def _log_trial(self, run: str, trial: TrialLog, nested: str | None = None) -> str:
        """A nested run of `run`, or the one that there is renewed."""
        note = {TRIAL: trial.note} if trial.note else {}
        found = nested or self._create_run(trial.name, {_PARENT: run, **note})
        self._log(found, trial.params, trial.metrics)
        if nested:
            for key, value in note.items():
                self._client.set_tag(found, key, value)
        self._client.set_terminated(found, trial.status)
        return found

    def _log_model(self, run: str, log: TrainingLog) -> None:
        import mlflow
        import pandas as pd
        import pyspark
        from mlflow.models import infer_signature

        rows = example_rows(log.example)
        predictions = pd.DataFrame({"prediction": [0.0]})  # only their type is asked for
        with mlflow.start_run(run_id=run):
            with tempfile.TemporaryDirectory() as folder:
                mlflow.spark.save_model(
                    log.model,
                    f"{folder}/model",
                    signature=infer_signature(rows, predictions),
                    input_example=rows,
                    pip_requirements=[f"pyspark=={pyspark.__version__}", f"mlflow=={mlflow.__version__}"],
                )
                if log.equip is not None:
                    log.equip(Path(folder, "model"))
                self._client.log_artifacts(run, f"{folder}/model", "model")
        self._client.set_terminated(run, "RUNNING")

    def _register(self, run: str, tags: Mapping[str, str]) -> ModelVersion:
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        source = f"{self._client.get_run(run).info.artifact_uri}/model"
        version = self._client.create_model_version(self.name, source, run, tags=dict(tags))
        return ModelVersion(str(version.version), run, source)

    def _register_once(self, run: str, tags: Mapping[str, str]) -> ModelVersion:
        """The version of a training that two processes may have done at once: the first one's; the other takes its own
        run back. On one machine's database they wait for each other, so no number is used up; on a server both may
        register in the same moment, and then the later number is deleted and stays unused."""
        with alone(self.uri):
            mine = None if self.find(tags[_RUN_ID]) else self._register(run, tags)
        first = self.find(tags[_RUN_ID]) or mine
        assert first is not None
        if mine is not None and mine.version != first.version:
            self._client.delete_model_version(self.name, mine.version)
        if first.tracking_run != run:
            self._delete_runs(run)
        return first

    def _remove_unfinished(self, run_id: str, mine: str = "") -> None:
        """Deletes the tracking runs of a training that ended before it was registered, but not those of a process that
        is at work now, nor `mine`."""
        for run in self._tagged(_RUN_ID, run_id):
            if run.info.run_id != mine and not is_at_work(run.data.tags.get(_PROCESS, ""), run.info.start_time):
                self._delete_runs(run.info.run_id)

    def _tagged(self, tag: str, value: str) -> Sequence[Any]:
        return list(self._client.search_runs([self._experiment], f"tags.`{tag}` = '{value}'", max_results=1000))

    def _delete_runs(self, run: str) -> None:
        """A run and those nested in it."""
        for gone in (*(nested.info.run_id for nested in self._tagged(_PARENT, run)), run):
            self._client.delete_run(gone)
