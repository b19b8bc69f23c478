"""What the logdir of a run tells: how far it is, and how well it does."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from dreamer_jax.run import checkpoint, manifest
from dreamer_jax.sweeps.plan import SweptRun

SCORES = ("evaluation/mean", "episode/mean_score")  # the first that all runs have is the score
ERROR = "error: "


class Result(NamedTuple):
    """One run, as its logdir has it."""

    run: SweptRun
    step: int  # of its newest checkpoint, 0 without one
    finished: bool
    curves: dict[str, list[tuple[int, float]]]  # metric -> (step, value), in the order of the steps

    def last(self, metric: str) -> float | None:
        """The newest value of a metric; None without one."""
        curve = self.curves.get(metric)
        return curve[-1][1] if curve else None


def of(run: SweptRun, *, metric: str | None = None) -> Result:
    """Reads the logdir of a run, which may not exist yet.

    metric: to read in addition to SCORES.
    """
    step = checkpoint.latest(run.logdir / "checkpoints") or 0
    names = (*SCORES, metric) if metric else SCORES
    return Result(run, step, is_finished(run, step), curves(run.logdir, names))


def is_finished(run: SweptRun, step: int) -> bool:
    """Whether the checkpoint of this step is the last one that the command asks for."""
    if not manifest.exists(run.logdir) or not step:
        return False
    steps = manifest.read(run.logdir)["config"]["train"]["steps"]
    asked = [flag.partition("=")[2] for flag in run.flags if flag.startswith("--steps=")]
    asked += [flag.split("=")[2] for flag in run.flags if flag.startswith("--set=train.steps=")]
    if asked:
        steps = int(float(asked[0]))
    return step >= steps and checkpoint.is_whole(run.logdir / "checkpoints", step)


def curves(logdir: Path, names: Sequence[str]) -> dict[str, list[tuple[int, float]]]:
    """The points of some metrics in metrics.jsonl; a line that is being written is left out."""
    found = dict[str, list[tuple[int, float]]]()
    path = logdir / "metrics.jsonl"
    for text in path.read_text(errors="replace").splitlines() if path.exists() else ():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        for name in names:
            if isinstance(line.get(name), int | float):
                found.setdefault(name, []).append((line["step"], line[name]))
    return found


def failure(run: SweptRun) -> str:
    """Why a run ended: the last error that it printed, or its last line."""
    lines = run.output.read_text(errors="replace").splitlines() if run.output.exists() else []
    lines = [line.strip() for line in lines if line.strip()]
    errors = [line.removeprefix(ERROR) for line in lines if line.startswith(ERROR)]
    return (errors or lines or ["it printed nothing"])[-1]


def metric_of(found: Sequence[Result], asked: str | None) -> str | None:
    """The metric that stands for the score: as asked, or the first of SCORES that all have.

    found: finished runs. None where there is no such metric.
    """
    if asked:
        return asked
    return next(
        (name for name in SCORES if found and all(x.last(name) is not None for x in found)), None
    )
