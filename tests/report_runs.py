"""Logdirs made by hand, for tests of the page about runs."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dreamer_jax.media import video
from dreamer_jax.outputs.tensorboard import TensorBoard
from dreamer_jax.reports import run_record
from dreamer_jax.reports.curves import Curve
from dreamer_jax.reports.run_record import RunRecord

NOW = 2e9
CONFIG: dict[str, Any] = {
    "env": "cartpole",
    "preset": "cartpole",
    "agent": "dreamer",
    "seed": 0,
    "config": {
        "env": {"max_steps": 500},
        "agent": {"optimizer": {"learning_rate": 1e-3}},
        "train": {"steps": 400, "log_seconds": 30, "eval_episodes": 4},
    },
    "history": [],
    "versions": {"jax": "0.10.2"},
}


def write(logdir: Path, name: str, content: Any) -> None:
    """Writes JSON."""
    path = logdir / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def lines(logdir: Path, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes JSON lines."""
    logdir.mkdir(parents=True, exist_ok=True)
    (logdir / name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def metrics(value: float = 1.0, *, count: int = 20) -> list[dict[str, Any]]:
    """Lines of metrics: a KL that falls, scores and evaluations that rise."""
    return [
        {
            **{"step": 20 * i, "frames": 20 * i, "seconds": 2.0 * i},
            **{"world_model/kl": value / i, "speed/frames_per_second": 10.0 + i},
            **{"episode/mean_score": value * i, "constant": 7.0},
            **({"evaluation/mean": value * i, "evaluation/std": 2.0} if i % 5 == 0 else {}),
        }
        for i in range(1, count + 1)
    ]


def film(*, frames: int = 6, side: int = 32, seed: int = 0) -> bytes:
    """An MP4 of noise, which compresses badly."""
    draw = np.random.default_rng(seed)
    shape = (side, side, 3)
    return video.mp4([draw.integers(0, 256, shape, np.uint8) for _ in range(frames)], rate=10)


def complete(logdir: Path, *, seed: int = 0, **changes: Any) -> Path:
    """A run with everything that a page can show."""
    write(logdir, "config.json", {**CONFIG, "seed": seed, **changes})
    lines(logdir, "metrics.jsonl", metrics(1.0 + seed))
    scores = [{"step": 10 * i, "score": float(i), "length": i, "env": 0} for i in range(1, 41)]
    lines(logdir, "episodes.jsonl", scores)
    lines(logdir, "milestones.jsonl", [{"step": 30, "hours": 0.5, "name": "first_gate", "env": 1}])
    finding = {"step": 100, "check": "dead_latents", "state": "begins", "value": 0.7}
    finding |= {"threshold": 0.5, "sentence": "Latents say little.", "advice": "Lower free nats."}
    lines(logdir, "diagnosis.jsonl", [finding])
    summary = {"mean": 17.5, "std": 1.0, "mean_low": 17.0, "mean_high": 18.0, "iqm": 17.4}
    found = {"step": 400, "checkpoint": "newest", "policy": "sampled", "episodes": 10}
    videos = {"best": "greedy_best.mp4"}
    write(logdir, "evaluations/greedy.json", {**found, "summary": summary, "videos": videos})
    (logdir / "evaluations/greedy_best.mp4").write_bytes(film())
    dream = {"step": 400, "videos": [{"file": "free_1.mp4", "caption": "a free dream"}]}
    dream |= {"returns": {"policy": {"bias": -1.25, "correlation": 0.5, "n": 64}}}
    write(logdir, "dreams/step400/dream.json", dream)
    (logdir / "dreams/step400/free_1.mp4").write_bytes(film(seed=1))
    board = TensorBoard(logdir, 0)
    for step in (100, 200, 400):
        pixels = np.random.default_rng(step).integers(0, 256, (16, 24, 3), np.uint8)
        board.image("world_model/screen", pixels, step=step)
    board.close()
    return logdir


def record(logdir: Path, **changes: Any) -> RunRecord:
    """What is read of a logdir, with changes."""
    return run_record.read(logdir, now=NOW)._replace(**changes)


def curve(values: Sequence[float]) -> Curve:
    """A curve with one value at each step from 1 on, two seconds apart."""
    step = np.arange(1, len(values) + 1, dtype=float)
    return Curve(step, 2 * step, np.array(values, float))
