"""What the agent of a new run begins with: fresh weights, or those of another run."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from dreamer_jax.agents.by_name import AGENTS
from dreamer_jax.agents.learned_reward import NAME
from dreamer_jax.commands import fit_setup
from dreamer_jax.commands.options import Setup, stored, unplayed
from dreamer_jax.commands.restored_agents import Restored, restored
from dreamer_jax.commands.restored_fits import RestoredFit, require_given, restored_fit
from dreamer_jax.run import checkpoint, initial_weights, manifest
from dreamer_jax.run.initial_weights import INIT_FROM, REWARD, WORLD_MODEL, Source
from dreamer_jax.shapes import state_shapes
from dreamer_jax.types import AgentState, AnyAgent


class Initial(NamedTuple):
    """How the state of a run begins."""

    begin: Callable[[AgentState], AgentState]  # `Run.begin`
    sources: Mapping[str, Source]  # where its weights came from, by the option that named it
    notes: list[str]  # lines for the user


def initial(setup: Setup, agent: AnyAgent) -> Initial:
    """Finds the weights that the agent begins with. A run with a checkpoint needs none.

    Those of --init_from come first. The world model of train.world_model replaces theirs. The
    learned reward of reward.logdir has its own arrays.

    Raises:
      ValueError: another run has nothing that fits, or lacks what the agent needs, or is gone.
      Damaged: no checkpoint of it is whole.
    """
    if checkpoint.steps(setup.logdir / "checkpoints"):
        return Initial(lambda state: state, setup.sources, [])
    sources, notes = dict[str, Source](), list[str]()
    steps, fit = list[Callable[[Any], Any]](), initial_weights.fit(state_shapes(agent), {})
    if (given := setup.sources.get(INIT_FROM)) is not None:
        state, used = _begun_with(given, setup)
        fit = initial_weights.fit(state_shapes(agent), state)
        notes.append(initial_weights.in_words(fit, used))
        if not fit.taken:
            raise ValueError(f"--init_from={given.logdir}: nothing fits; {notes[0]}")
        steps.append(initial_weights.with_arrays(fit.taken))
        sources[INIT_FROM] = used
    if (needed := AGENTS[setup.agent].given) is not None:
        require_given(fit, needed(setup.config.agent), what=f"--agent={setup.agent}")
    if name := setup.config.train.world_model:
        given = setup.sources.get(WORLD_MODEL) or Source(Path(name))
        other, inherit = stored(given.logdir, setup.env), AGENTS[setup.agent].inherit
        if inherit is None or other.agent not in (setup.agent, *AGENTS[setup.agent].relatives):
            text = f"has the agent {other.agent!r}"
            raise ValueError(f"{given.logdir} {text}, whose world model {setup.agent!r} cannot use")
        found, used = _read(other, given, setup)
        steps.append(inherit(agent, found.state, given.logdir))
        sources[WORLD_MODEL] = used
    if name := setup.config.reward.logdir:
        given = setup.sources.get(REWARD) or Source(Path(name))
        learned = restored_fit(fit_setup.stored(given.logdir), given)
        steps.append(with_reward(state_shapes(agent), learned))
        sources[REWARD] = learned.source

    def begin(state: AgentState) -> AgentState:
        for step in steps:
            state = step(state)
        return state

    return Initial(begin, sources, notes)


def _begun_with(given: Source, setup: Setup) -> tuple[Any, Source]:
    """The state of a stage of --mode=fit, or of an agent, and its checkpoint."""
    if fit_setup.is_fit(manifest.read(given.logdir)):
        stage = restored_fit(fit_setup.stored(given.logdir), given)
        return stage.state, stage.source
    found, used = _read(unplayed(given.logdir), given, setup)
    return found.state, used


def with_reward(shapes: Any, learned: RestoredFit) -> Callable[[Any], Any]:
    """A function that gives a state the parameters of a learned reward.

    ValueError if it was learned from pictures of another size.
    """
    known = {"params": {NAME: learned.state.params}}
    found = initial_weights.fit({"params": {NAME: shapes.params[NAME]}}, known)
    if found.fresh:
        text = f"{learned.setup.logdir} has another reward model; it lacks {found.fresh[0]}"
        raise ValueError(text)
    return initial_weights.with_arrays(found.taken)


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
