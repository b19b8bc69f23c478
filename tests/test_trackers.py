"""Trackers: what they hold of a run, and which one a run has."""

import json
import os
import sqlite3
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest
from command import call
from test_sinks import lines
from witness import Witness, compiled

from dreamer_jax.loops.train import train
from dreamer_jax.outputs import run_ids, sinks, trackers

INSTALLED = [name for name in trackers.OPTIONAL if find_spec(name)]
CONFIGURATION = {"env": "counting", "optimizer.learning_rate": 1e-4, "train.learn": "all"}
STEPS = 141, 201  # of the run, which resumes in between
BLOCK, HEADER = 32_768, 7  # bytes of the file format of W&B


class Tracked(NamedTuple):
    logdir: Path
    state: Any  # of the agent, after the run


def played(logdir: Path, names: tuple[str, ...]) -> Tracked:
    """A run that stops once, and resumes."""
    state = None
    for steps in STEPS:
        run = Witness().run(logdir, steps=steps)
        state = train(run, compiled(run), make_sinks=sinks.of(names, configuration=CONFIGURATION))
    return Tracked(logdir, jax.device_get(state))


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracked]:
    """A run in all trackers that are installed."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of libraries are not ours
        for name in [name for name in os.environ if name.startswith(("WANDB", "MLFLOW"))]:
            patch.delenv(name)
        logdir = tmp_path_factory.mktemp("tracked")
        patch.setenv("TRACKIO_DIR", str(logdir / "trackio"))
        yield played(logdir, (*trackers.DEFAULT, *INSTALLED))


Points = dict[tuple[str, int], float]  # (name, step) -> the last value


def in_jsonl(logdir: Path) -> Points:
    found = {
        (name, line["step"]): value
        for line in lines(logdir / "metrics.jsonl")
        for name, value in line.items()
        if name not in ("step", "unfinished") and value is not None
    }
    for line in lines(logdir / "episodes.jsonl"):
        found |= {(f"episode/{name}", line["step"]): line[name] for name in ("score", "length")}
    return found


def in_wandb(logdir: Path) -> tuple[Points, dict[str, Any], set[str]]:
    """Points, configuration and media, from the files of a run that was offline."""
    from wandb.proto import wandb_internal_pb2

    protos: Any = wandb_internal_pb2

    points, configuration, media = Points(), dict[str, Any](), set[str]()
    for path in sorted(logdir.glob("wandb/offline-run-*/*.wandb")):
        for data in records(path.read_bytes()):
            record = protos.Record()
            record.ParseFromString(data)
            row = {tuple(x.nested_key) or (x.key,): x.value_json for x in record.history.item}
            for (name, *inner), text in row.items():
                if inner == ["_type"]:
                    media.add(name)
                elif not inner and not name.startswith("_") and name != "step":
                    points[name, json.loads(row[("step",)])] = json.loads(text)
            configuration |= {x.key: json.loads(x.value_json) for x in record.run.config.update}
    return points, configuration, media


def records(data: bytes) -> Iterator[bytes]:
    """The records of a log in blocks: checksum, length and kind before each part of one."""
    place, whole = HEADER, b""
    while place + HEADER <= len(data):
        if BLOCK - place % BLOCK < HEADER:
            place += BLOCK - place % BLOCK
        length = int.from_bytes(data[place + 4 : place + 6], "little")
        kind, place = data[place + 6], place + HEADER
        whole, place = whole + data[place : place + length], place + length
        if kind in (1, 4):  # whole, or its last part
            yield whole
            whole = b""


def in_trackio(logdir: Path) -> tuple[Points, dict[str, Any], set[str]]:
    with sqlite3.connect(logdir / "trackio" / "dreamer-jax.db") as store:
        rows = store.execute("SELECT step, metrics FROM metrics ORDER BY id").fetchall()
        (configuration,) = store.execute("SELECT config FROM configs").fetchone()
    store.close()
    points, media = Points(), set[str]()
    for step, text in rows:
        for name, value in json.loads(text).items():
            if isinstance(value, dict):
                media.add(name)
            else:
                points[name, step] = value
    return points, json.loads(configuration), media


def in_mlflow(logdir: Path) -> tuple[Points, dict[str, Any], set[str]]:
    mlflow = pytest.importorskip("mlflow")

    client = mlflow.MlflowClient(f"sqlite:///{logdir / 'mlflow' / 'mlflow.db'}")
    (experiment,) = [x for x in client.search_experiments() if x.name == "dreamer-jax"]
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    points = {
        (name, point.step): point.value
        for name in run.data.metrics
        for point in client.get_metric_history(run.info.run_id, name)
    }
    listed = client.list_artifacts(run.info.run_id, "images")
    pictures = {Path(file.path).name.partition("+")[0].replace("~", "/") for file in listed}
    film = "world_model/video/view"
    found = {file.path for file in client.list_artifacts(run.info.run_id, film)}
    assert found == {f"{film}/step{step}.mp4" for step in (51, 102, 150, 201)}
    return points, dict(run.data.params), {film} | pictures


READERS: dict[str, Callable[[Path], Any]] = {
    "wandb": in_wandb,
    "trackio": in_trackio,
    "mlflow": in_mlflow,
}


@pytest.mark.parametrize("name", trackers.OPTIONAL)
def test_a_tracker_holds_what_the_files_hold(name: str, tracked: Tracked) -> None:
    if name not in INSTALLED:
        pytest.skip(f'needs pip install -e ".[{name}]"')
    points, configuration, media = READERS[name](tracked.logdir)
    expected = in_jsonl(tracked.logdir)
    assert len(expected) > 100
    assert {key: points.get(key) for key in expected} == expected
    shown = {key: str(configuration[key]) for key in CONFIGURATION}
    assert shown == {key: str(value) for key, value in CONFIGURATION.items()}
    assert media == {"world_model/view", "world_model/video/view"}


def test_trackers_change_no_number(tracked: Tracked, tmp_path: Path) -> None:
    """Neither of the agent, nor in the files, nor do they ask for another id after a resume."""
    alone = played(tmp_path, (trackers.RECORD,))
    assert not list(tmp_path.glob("events.*")) and list(tracked.logdir.glob("events.*"))
    assert jax.tree.all(jax.tree.map(np.array_equal, alone.state, tracked.state))
    timed = ("seconds", "hours", "speed/")
    for name in ("metrics", "episodes", "milestones"):
        ours, theirs = (
            [
                {k: x for k, x in line.items() if not k.startswith(timed)}
                for line in lines(run.logdir / f"{name}.jsonl")
            ]
            for run in (alone, tracked)
        )
        assert ours == theirs
    found = run_ids.read(tracked.logdir)
    assert found and found.trackers == (*trackers.DEFAULT, *INSTALLED)
    assert run_ids.claim(tracked.logdir, found.trackers, named=INSTALLED) == found


def test_names_of_trackers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert trackers.chosen(None, tmp_path) == trackers.DEFAULT
    assert trackers.chosen("tensorboard", tmp_path) == trackers.DEFAULT  # the record is always kept
    assert trackers.chosen(" jsonl", tmp_path) == (trackers.RECORD,)
    for wrong, message in {
        "tensorbord": "did you mean tensorboard",
        "": "names none",
        "aim": "known are jsonl, tensorboard, wandb, trackio, mlflow",
    }.items():
        with pytest.raises(ValueError, match=message):
            trackers.chosen(wrong, tmp_path)
    monkeypatch.setattr(trackers, "find_spec", lambda _: None)
    result = call("--env=counting", f"--logdir={tmp_path / 'run'}", "--trackers=wandb")
    message = 'error: --trackers=wandb needs its library: pip install -e ".[wandb]"\n'
    assert (result.code, result.err) == (2, message) and not (tmp_path / "run").exists()


def test_a_resume_keeps_the_trackers_of_a_run(tmp_path: Path) -> None:
    run_ids.claim(tmp_path, (trackers.RECORD,), named=())
    assert trackers.chosen(None, tmp_path) == (trackers.RECORD,)
    (tmp_path / run_ids.NAME).write_text('{"trackers": [3], "runs": {}}')
    with pytest.raises(ValueError, match="is not a list of trackers"):
        trackers.chosen(None, tmp_path)
