"""MLflow: a store of SQLite in the logdir, or the one that MLFLOW_TRACKING_URI names."""

import importlib
import logging
import math
import os
import re
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dreamer_jax.outputs.episode_sums import points
from dreamer_jax.outputs.run_ids import PROJECT, Place

URI = "MLFLOW_TRACKING_URI"
TAG = "dreamer_jax.run"  # holds the id by which a resumed run finds itself
REFUSED = re.compile(r"[^\w\-. :/]")  # characters that names may not have
MOST_PARAMETERS, MOST_METRICS = 100, 500  # in one call
LONGEST_PARAMETER = 500  # characters


class Mlflow:
    """A sink for one run of MLflow. Values that are not finite are left out.

    Each call of the store is a transaction that takes milliseconds, so episodes wait for the next
    metrics.
    """

    def __init__(self, place: Place) -> None:
        """Continues the run with this id, or begins it."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        mlflow: Any = importlib.import_module("mlflow")

        for name in ("mlflow", "alembic"):  # they tell about the tables that they make
            logging.getLogger(name).setLevel(logging.WARNING)
        folder = place.logdir.absolute() / "mlflow"
        given = os.environ.get(URI)
        if not given:
            folder.mkdir(parents=True, exist_ok=True)
        self._client = mlflow.MlflowClient(given or f"sqlite:///{folder / 'mlflow.db'}")
        self._entities = mlflow.entities
        self._waiting = list[Any]()  # metrics
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        artifacts = None if given else (folder / "artifacts").as_uri()
        self._run = self._find(name, place, artifacts)
        self._parameters(place.configuration)

    def scalars(
        self,
        values: Mapping[str, float],
        *,
        step: int,
        frames: int,
        seconds: float,
        unfinished: bool,
    ) -> None:
        """A point for each value, at its step."""
        del unfinished
        self._add({**values, "frames": frames, "seconds": seconds}, step)
        self._write()

    def episode(self, sums: Mapping[str, float], *, step: int, env: int, start: str) -> None:
        """Points for score and length, with the next metrics or when many wait."""
        del env
        self._add(points(sums, start), step)
        if len(self._waiting) >= MOST_METRICS:
            self._write()

    def milestone(self, name: str, *, step: int, hours: float, env: int) -> None:
        """Ignored."""

    def image(self, name: str, pixels: np.ndarray, *, step: int) -> None:
        """A picture."""
        self._client.log_image(self._run, pixels, key=REFUSED.sub("_", name), step=step)

    def video(self, name: str, frames: np.ndarray, *, step: int, rate: float) -> None:
        """A film, among the artifacts: <name>/step<step>.mp4."""
        from dreamer_jax.media import video  # it imports a library for films

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"step{step}.mp4"
            video.save(path, frames, rate=rate)
            self._client.log_artifact(self._run, str(path), artifact_path=name)

    def close(self) -> None:
        """Marks the run as finished; a resume continues it."""
        self._write()
        self._client.set_terminated(self._run)

    def _find(self, experiment: str, place: Place, artifacts: str | None) -> str:
        found = self._client.get_experiment_by_name(experiment)
        number = (
            found.experiment_id
            if found
            else self._client.create_experiment(experiment, artifact_location=artifacts)
        )
        runs = self._client.search_runs([number], f"tags.`{TAG}` = '{place.id}'")
        if runs:
            run = runs[0].info.run_id
            self._client.update_run(run, status="RUNNING")
            return run
        made = self._client.create_run(number, tags={TAG: place.id}, run_name=place.logdir.name)
        return made.info.run_id

    def _parameters(self, configuration: Mapping[str, Any]) -> None:
        """Keeps the configuration; what a resume changes of it stays as it was in the store."""
        known = self._client.get_run(self._run).data.params
        names = {REFUSED.sub("_", name): str(value) for name, value in configuration.items()}
        new = [
            self._entities.Param(name, value[:LONGEST_PARAMETER])
            for name, value in names.items()
            if name not in known
        ]
        for start in range(0, len(new), MOST_PARAMETERS):
            self._client.log_batch(self._run, params=new[start : start + MOST_PARAMETERS])

    def _add(self, values: Mapping[str, float], step: int) -> None:
        now = int(1000 * time.time())
        self._waiting += [
            self._entities.Metric(REFUSED.sub("_", name), float(value), now, step)
            for name, value in values.items()
            if math.isfinite(value)
        ]

    def _write(self) -> None:
        waiting, self._waiting = self._waiting, []
        for start in range(0, len(waiting), MOST_METRICS):
            self._client.log_batch(self._run, metrics=waiting[start : start + MOST_METRICS])
