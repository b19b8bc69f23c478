"""The agent of a saved run."""

import sys
from typing import Any

import jax

from dreamer_jax import mesh
from dreamer_jax.agents.by_name import AGENTS
from dreamer_jax.commands.options import Setup
from dreamer_jax.run import checkpoint, manifest, spaces_record
from dreamer_jax.run.layout import placed
from dreamer_jax.types import AnyAgent


def restored(setup: Setup) -> tuple[AnyAgent, Any, int]:
    """The agent of a saved run, its state at the newest checkpoint, and the step of this.

    No environment is made: what it shows and accepts is in config.json. ValueError if there is no
    checkpoint yet, Damaged if none is whole.
    """
    directory = setup.logdir / "checkpoints"
    if not checkpoint.steps(directory):
        checkpoint.require_none(directory)
        raise ValueError(f"no checkpoint in {setup.logdir} yet")
    spaces = spaces_record.spaces_of(manifest.read(setup.logdir))
    agent = AGENTS[setup.agent].make(setup.config, *spaces)
    shapes = jax.eval_shape(agent.learner.init, jax.random.key(0))
    wanted = {"agent": placed(shapes, mesh.copied(mesh.make(1)))}
    found = checkpoint.newest(directory, lambda s: checkpoint.restore(directory, s, wanted))
    for note in found.notes:
        print(note, file=sys.stderr)
    return agent, found.loaded["agent"], found.step
