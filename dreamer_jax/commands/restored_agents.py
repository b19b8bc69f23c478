"""The agent of a saved run."""

import sys
from typing import Any, NamedTuple

from dreamer_jax import mesh
from dreamer_jax.agents.by_name import AGENTS
from dreamer_jax.commands.options import Setup
from dreamer_jax.run import checkpoint, layout, manifest, spaces_record
from dreamer_jax.run.layout import with_sharding
from dreamer_jax.shapes import state_shapes
from dreamer_jax.types import AnyAgent


class Restored(NamedTuple):
    """An agent as a checkpoint has it."""

    agent: AnyAgent
    state: Any  # of the agent, an `AgentState`
    step: int  # of the checkpoint


def restored(setup: Setup, *, step: int | None = None) -> Restored:
    """The agent of a saved run at its newest checkpoint that is whole, or at a given step.

    No environment is made, because config.json holds its spaces.

    Raises:
      ValueError: there is no checkpoint yet, or no device.
      Damaged: there are checkpoints, but none is whole, or that of the step is not.
    """
    directory = setup.logdir / "checkpoints"
    if not checkpoint.steps(directory):
        checkpoint.require_none(directory)
        raise ValueError(f"no checkpoint in {setup.logdir} yet")
    devices = mesh.make(1)  # before the networks, which ask for the platform
    interface = spaces_record.spaces_of(manifest.read(setup.logdir))
    agent = AGENTS[setup.agent].make(setup.config, interface)
    where = layout.make(devices, setup.config.replay)
    wanted = {"agent": with_sharding(state_shapes(agent), where.state)}
    if step is not None:
        loaded = checkpoint.restore(directory, step, wanted)
        return Restored(agent=agent, state=loaded["agent"], step=step)
    found = checkpoint.newest(directory, lambda s: checkpoint.restore(directory, s, wanted))
    for note in found.notes:
        print(note, file=sys.stderr)
    return Restored(agent=agent, state=found.loaded["agent"], step=found.step)
