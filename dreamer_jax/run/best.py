"""The checkpoint with the best evaluation of a run, kept apart from those that a run resumes from.

It lies in `best/<step>` of the logdir and holds the state of the agent as it was evaluated, and its
scores in the counters. It is no part of the state of a run: training is the same without it.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple, cast

import jax
import numpy as np

from dreamer_jax.counters import Counters
from dreamer_jax.faults import Damaged, Fault, one_line
from dreamer_jax.run import checkpoint

FOLDER = "best"


class Best(NamedTuple):
    """What is known of the best checkpoint."""

    step: int
    scores: dict[str, float]  # of its evaluation, by name; 'mean' decides


def found(logdir: Path) -> Best | None:
    """The best checkpoint of a run; None where there is none that can be read."""
    known = list[Best]()
    for step in checkpoint.steps(logdir / FOLDER):
        try:
            scores = checkpoint.read_counters(logdir / FOLDER, step).get("evaluation")
        except (Damaged, FileNotFoundError):
            continue
        mean = cast(dict[str, Any], scores).get("mean") if isinstance(scores, dict) else None
        if isinstance(mean, float) and math.isfinite(mean):
            known.append(Best(step, cast(dict[str, float], scores)))
    # A process that was killed between the two may leave the one before the best, too.
    return max(known, key=lambda x: (x.scores["mean"], -x.step), default=None)


def keep(logdir: Path, state: Any, *, scores: Mapping[str, float], counters: Counters) -> bool:
    """Saves a state whose evaluation beats that of the best one so far, which it replaces.

    A run that is resumed plays the same evaluations again. They do not beat themselves.

    Args:
      state: of the agent, as it was evaluated.
      scores: of the evaluation, with 'mean'; empty if it was stopped.
      counters: when it was evaluated.

    Returns: whether it was saved.
    Raises Fault where the disk is full.
    """
    if not scores or not math.isfinite(scores["mean"]):
        return False
    before = found(logdir)
    if before is not None and scores["mean"] <= before.scores["mean"]:
        return False
    agent = jax.tree.map(np.asarray, jax.device_get(state))
    try:
        checkpoint.save(
            logdir / FOLDER,
            {"agent": agent},
            step=counters.step,
            counters={**asdict(counters), "evaluation": {k: float(x) for k, x in scores.items()}},
            files={},
            keep=lambda _: set(),
        )
    except (OSError, ValueError) as error:  # orbax raises ValueError for a full disk
        raise Fault(f"cannot save in {logdir / FOLDER}: {one_line(error)}") from error
    return True
