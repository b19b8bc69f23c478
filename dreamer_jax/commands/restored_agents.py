"""The agent of a saved run."""

from pathlib import Path
from typing import Any, NamedTuple

from dreamer_jax import mesh
from dreamer_jax.commands.agent_of import agent_of
from dreamer_jax.commands.options import Setup
from dreamer_jax.outputs.say import Say, say_on_stderr
from dreamer_jax.run import checkpoint, layout, manifest, spaces_record
from dreamer_jax.run.layout import with_sharding
from dreamer_jax.shapes import state_shapes
from dreamer_jax.types import AnyAgent

OPTIMIZER = "optimizer"  # the part of a state that only learning reads


class Restored(NamedTuple):
    """An agent as a checkpoint has it."""

    agent: AnyAgent
    state: Any  # of the agent, an `AgentState`
    step: int  # of the checkpoint


def restored(
    setup: Setup,
    *,
    step: int | None = None,
    directory: Path | None = None,
    weights_alone: bool = False,
    say: Say = say_on_stderr,
) -> Restored:
    """The agent of a saved run at its newest checkpoint that is whole, or at a given step.

    No environment is made, because config.json holds its spaces.

    Args:
      step: of the checkpoint; None for the newest.
      directory: where the checkpoints are, unless they are the usual ones of the run.
      weights_alone: leave out what only learning reads. The state has None there.
      say: is told of each newer checkpoint that is damaged.

    Raises:
      ValueError: there is no checkpoint yet, or no device.
      Damaged: there are checkpoints, but none is whole, or that of the step is not.
      FileNotFoundError: there is no checkpoint of the step.
    """
    directory = directory or setup.logdir / "checkpoints"
    if not checkpoint.steps(directory):
        checkpoint.require_none(directory)
        raise ValueError(f"no checkpoint in {setup.logdir} yet")
    devices = mesh.make(1)  # before the networks, which ask for the platform
    interface = spaces_record.spaces_of(manifest.read(setup.logdir))
    agent = agent_of(setup, interface)
    where = layout.make(devices, setup.config.replay)
    wanted = {"agent": with_sharding(state_shapes(agent), where.state)}
    without = (OPTIMIZER,) if weights_alone else ()

    def load(step: int) -> Any:
        return checkpoint.restore(directory, step, wanted, without=without)["agent"]

    if step is not None:
        return Restored(agent=agent, state=load(step), step=step)
    found = checkpoint.newest(directory, load)
    for note in found.notes:
        say(note)
    return Restored(agent=agent, state=found.loaded, step=found.step)
