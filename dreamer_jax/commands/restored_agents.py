"""The agent of a saved run."""

import sys
from contextlib import closing

import jax

import envs
from dreamer_jax import mesh
from dreamer_jax.agents.dreamer import agent as dreamer
from dreamer_jax.commands.options import Setup
from dreamer_jax.run import checkpoint
from dreamer_jax.run.layout import placed
from dreamer_jax.types import Agent, AgentState


def restored(setup: Setup) -> tuple[Agent, AgentState, int]:
    """The agent of a saved run, from its newest checkpoint, and the step of this.

    ValueError if there is none yet, Damaged if none is whole.
    """
    directory = setup.logdir / "checkpoints"
    if not checkpoint.steps(directory):
        checkpoint.require_none(directory)
        raise ValueError(f"no checkpoint in {setup.logdir} yet")
    with closing(envs.make(setup.env, setup.config.env, 1, setup.seed)) as env:
        agent = dreamer.make(setup.config, env.obs_space, env.act_space)
    shapes = jax.eval_shape(agent.init, jax.random.key(0))
    wanted = {"agent": placed(shapes, mesh.copied(mesh.make(1)))}
    found = checkpoint.newest(directory, lambda s: checkpoint.restore(directory, s, wanted))
    for note in found.notes:
        print(note, file=sys.stderr)
    return agent, found.loaded["agent"], found.step
