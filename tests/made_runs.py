"""Runs that were never trained: a config.json and checkpoints with weights made up.

They cost no compiled update. Everything that reads a run takes them for one that was trained.
"""

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jax
import numpy as np

from dreamer_jax.commands.flags import parse
from dreamer_jax.commands.options import decide
from dreamer_jax.commands.prepared import prepare
from dreamer_jax.commands.train import record
from dreamer_jax.run import checkpoint, manifest
from dreamer_jax.shapes import state_shapes

SIZE = 0.3  # of the weights


def made(logdir: Path, *flags: str, steps: Iterable[int] = (60,)) -> Path:
    """A run in `logdir` as these flags begin one, with a checkpoint at each step."""
    setup = decide(parse(["", f"--logdir={logdir}", *flags], ("train",)))
    with ExitStack() as opened:
        run = prepare(setup, opened).run
        manifest.write(logdir, {**record(setup, run), "history": []})
        shapes = state_shapes(run.agent)
    for step in steps:
        generator = np.random.default_rng(step)

        def fill(x: Any, generator: np.random.Generator = generator) -> np.ndarray:
            if not np.issubdtype(x.dtype, np.floating):
                return np.zeros(x.shape, x.dtype)
            return np.asarray(SIZE * generator.normal(size=x.shape), x.dtype)

        state = jax.tree.map(fill, shapes)
        # Running scales of observations have variances, which are not negative.
        state = state.replace(moments=jax.tree.map(lambda x: np.asarray(1 + abs(x)), state.moments))
        checkpoint.save(
            logdir / "checkpoints",
            {"agent": state},
            step=step,
            counters={"step": step, "updates": 0, "seconds": 0.0},
            files={},
            keep=set,
        )
    return logdir
