"""What the agent of a new run begins with: fresh weights, or those of another run."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from dreamer_jax.agents.by_name import AGENTS
from dreamer_jax.commands.options import Setup, stored, unplayed
from dreamer_jax.commands.restored_agents import Restored, restored
from dreamer_jax.run import checkpoint, initial_weights
from dreamer_jax.run.initial_weights import INIT_FROM, WORLD_MODEL, Source
from dreamer_jax.shapes import state_shapes
from dreamer_jax.types import AgentState, AnyAgent


class Initial(NamedTuple):
    """How the state of a run begins."""

    begin: Callable[[AgentState], AgentState]  # `Run.begin`
    sources: Mapping[str, Source]  # where its weights came from, by the option that named it
    notes: list[str]  # lines for the user


def initial(setup: Setup, agent: AnyAgent) -> Initial:
    """Finds the weights that the agent begins with. A run with a checkpoint needs none.

    Those of --init_from come first. The world model of train.world_model replaces theirs.

    Raises:
      ValueError: another run has nothing that fits, or is gone.
      Damaged: no checkpoint of it is whole.
    """
    if checkpoint.steps(setup.logdir / "checkpoints"):
        return Initial(lambda state: state, setup.sources, [])
    sources, notes = dict[str, Source](), list[str]()
    steps = list[Callable[[Any], Any]]()
    if (given := setup.sources.get(INIT_FROM)) is not None:
        found, used = _read(unplayed(given.logdir), given, setup)
        fit = initial_weights.fit(state_shapes(agent), found.state)
        notes.append(initial_weights.in_words(fit, used))
        if not fit.taken:
            raise ValueError(f"--init_from={given.logdir}: nothing fits; {notes[0]}")
        steps.append(initial_weights.with_arrays(fit.taken))
        sources[INIT_FROM] = used
    if name := setup.config.train.world_model:
        given = setup.sources.get(WORLD_MODEL) or Source(Path(name))
        other, inherit = stored(given.logdir, setup.env), AGENTS[setup.agent].inherit
        if inherit is None or other.agent not in (setup.agent, *AGENTS[setup.agent].relatives):
            text = f"has the agent {other.agent!r}"
            raise ValueError(f"{given.logdir} {text}, whose world model {setup.agent!r} cannot use")
        found, used = _read(other, given, setup)
        steps.append(inherit(agent, found.state, given.logdir))
        sources[WORLD_MODEL] = used

    def begin(state: AgentState) -> AgentState:
        for step in steps:
            state = step(state)
        return state

    return Initial(begin, sources, notes)


def _read(other: Setup, given: Source, setup: Setup) -> tuple[Restored, Source]:
    """The agent of another run at the step that was given, or at the newest; and the step."""
    if given.step is not None:
        there = initial_weights.sha1(given.logdir, step=given.step)
        if given.sha1 and there != given.sha1:
            text = f"{setup.logdir} was begun with step {given.step} of {given.logdir}"
            raise ValueError(f"{text}, which is no longer there; use another --logdir")
        if not there:
            known = ", ".join(map(str, checkpoint.steps(given.logdir / "checkpoints")))
            text = f"no checkpoint of step {given.step} in {given.logdir}"
            raise ValueError(f"{text}; there are {known or 'none'}")
    found = restored(other, step=given.step)
    used = given.pinned(found.step)
    return found, used
