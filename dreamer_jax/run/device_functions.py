"""The functions that the programs of a run are compiled from: act, learn and report.

`Any` in this module stands for a pytree of the agent, which only the agent looks into.
"""

from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp

from dreamer_jax import mesh as meshes
from dreamer_jax.config import Replay
from dreamer_jax.replay import ring as replay
from dreamer_jax.replay import samplers
from dreamer_jax.replay.recorded_windows import with_recordings
from dreamer_jax.replay.samplers import Sampler
from dreamer_jax.run.layout import WINDOW, Layout
from dreamer_jax.types import (
    Action,
    AgentState,
    AnyAgent,
    CarryT,
    Metrics,
    Obs,
    Recordings,
    Refresh,
    ReplayState,
    StateT,
    Step,
    Window,
)

INIT, ACT, LEARN, REPORT = range(4)  # what a random key is for


class Fixed(NamedTuple):
    """What all programs of a run share; constants when they are compiled."""

    agent: AnyAgent
    config: Replay
    layout: Layout
    sampler: Sampler


def make_fixed(agent: AnyAgent, *, config: Replay, layout: Layout) -> Fixed:
    """What the programs of a run share, with the sampler that `config` names."""
    return Fixed(agent=agent, config=config, layout=layout, sampler=samplers.make(config))


def derive(seed: jax.typing.ArrayLike, *, purpose: int, counter: jax.typing.ArrayLike) -> jax.Array:
    """The key for one use of randomness: fold_in(fold_in(key(seed), purpose), counter).

    Args:
      seed: [] uint32, of the run.
      purpose: one of the program's purposes, such as INIT, ACT, LEARN and REPORT here.
      counter: [] int32, earlier uses for this purpose.
    """
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), purpose), counter)


def act(
    fixed: Fixed,
    seed: jax.Array,
    actor: Any,
    memory: ReplayState,
    carry: CarryT,
    seen: Step,
    index: jax.Array,
) -> tuple[ReplayState, CarryT, Action]:
    """Chooses an action for every environment, and adds observations and actions to replay.

    Args:
      fixed: what all programs of the run share.
      seed: [] uint32, of the run.
      actor: what acting reads of the agent's state. Not donated, because `updates` reads it too.
      memory: donated. Each device writes the rows of its environments.
      carry: [E, ...], donated.
      seen: a step [E, ...] without its action.
      index: [] int32, earlier calls of this function. With the seed it gives the random key.

    Returns:
      Replay with one more step in every row, the new carry, and the actions [E, n].

    Raises:
      AssertionError: while tracing, if shapes do not fit each other.
    """
    chex.assert_rank([seed, index], 0)
    chex.assert_tree_shape_prefix(seen, seen.is_first.shape)
    chex.assert_shape(seen.is_first, memory.total.shape)
    key = derive(seed, purpose=ACT, counter=index)
    carry, action, latent = fixed.agent.player.act(actor, carry, seen.obs, seen.is_first, key)
    # The environment ignores the action at the last observation of an episode, so replay has none.
    kept = {name: jnp.where(seen.is_last[:, None], 0, a) for name, a in action.items()}
    rows = meshes.ROWS

    def add(memory: ReplayState, step: Step, latent: Any) -> ReplayState:
        return fixed.sampler.added(replay.add(memory, step, latent))

    added = meshes.per_shard(fixed.layout.mesh, add, inputs=(rows, rows, rows), outputs=rows)
    return added(memory, seen.replace(action=kept), latent), carry, action


def updates(
    fixed: Fixed,
    seed: jax.Array,
    state: StateT,
    memory: ReplayState,
    sums: Metrics,
    count: jax.Array,
    recordings: Recordings | None = None,
) -> tuple[StateT, ReplayState, Metrics]:
    """Runs `one_update` `count` times in one call.

    The number of updates that a step owes varies. It is an argument of the program, not a constant
    in it, so one program serves all numbers.

    Args:
      fixed: what all programs of the run share.
      seed: [] uint32, of the run.
      state: of the agent, donated.
      memory: the ring, donated.
      sums: [] float32 per metric, donated. The metrics of each update are added to them. They stay
        on the device until the journal fetches them, so that no update waits for the host.
      count: [] int32.
      recordings: [N, ...] or None. A part of every batch is drawn from them.

    Returns:
      The state after the last update, replay with refreshed latents, and the sums.

    Raises:
      AssertionError: while tracing, if shapes do not fit each other.
    """
    chex.assert_rank([seed, count, *sums.values()], 0)

    def once(
        _: jax.Array, carried: tuple[StateT, ReplayState, Metrics]
    ) -> tuple[StateT, ReplayState, Metrics]:
        state, memory, sums = carried
        state, memory, metrics = one_update(fixed, seed, state, memory, recordings)
        return state, memory, jax.tree.map(jnp.add, sums, metrics)

    return jax.lax.fori_loop(0, count, once, (state, memory, sums))


def one_update(
    fixed: Fixed,
    seed: jax.Array,
    state: StateT,
    memory: ReplayState,
    recordings: Recordings | None = None,
) -> tuple[StateT, ReplayState, Metrics]:
    """Draws a batch, learns from it, and writes its fresh latents back to replay.

    The random keys are functions of the seed and of `state.updates`, so an update is the same
    whether it is the first of a call or the last, and whether the run was resumed before it.

    The latents are written back before the next batch is drawn. A sequence that is drawn twice in
    a row therefore starts from latents of the newest parameters. (§ Methods, latents in replay)

    Args:
      fixed: what all programs of the run share.
      seed: [] uint32, of the run.
      state: of the agent; `updates` [] int32 counts the updates before this one.
      memory: the ring; consumed by the caller's donation.
      recordings: [N, ...] or None.

    Returns:
      The new state, replay with refreshed latents and an advanced sampler, and metrics [] float32.
    """
    draw_key, update_key = jax.random.split(derive(seed, purpose=LEARN, counter=state.updates))
    memory, window = draw(fixed, memory, draw_key, recordings)
    with meshes.within(fixed.layout.mesh):
        state, fresh, metrics = fixed.agent.learner.update(state, window, update_key)
    return state, write_back(fixed, memory, window, fresh), metrics


def report(
    fixed: Fixed,
    seed: jax.Array,
    state: AgentState,
    memory: ReplayState,
    recordings: Recordings | None = None,
) -> tuple[Metrics, Obs]:
    """Evaluates the model on a fresh batch. Nothing is donated, and replay does not change.

    Args:
      fixed: what all programs of the run share.
      seed: [] uint32, of the run.
      state: of the agent.
      memory: the ring. The sampler's advance is dropped, so a report takes no sequence from the
        online queue.
      recordings: [N, ...] or None.

    Returns:
      Errors of the world model, each [], and per image truth and prediction
      [2, T, B, h, w, c] uint8, see `Learner`.
    """
    draw_key, report_key = jax.random.split(derive(seed, purpose=REPORT, counter=state.updates))
    _, window = draw(fixed, memory, draw_key, recordings)
    return fixed.agent.learner.report(state, window, report_key)


def draw(
    fixed: Fixed, memory: ReplayState, key: jax.Array, recordings: Recordings | None = None
) -> tuple[ReplayState, Window]:
    """Draws a batch. Each device draws its share from its own rows.

    Args:
      fixed: what all programs of the run share.
      memory: the ring; its sampler advances.
      key: consumed.
      recordings: [N, ...] or None. With recordings, `config.recorded` sequences of the batch are
        recorded ones, the last of each device's share.

    Returns:
      The new state of replay, and a window [W, B, ...].
    """
    config, mesh, sampler = fixed.config, fixed.layout.mesh, fixed.sampler
    recorded = config.recorded // mesh.size

    def share(
        memory: ReplayState, bits: jax.Array, recordings: Recordings | None
    ) -> tuple[ReplayState, Window]:
        if recordings is None:
            return sampler.draw(memory, bits)
        return with_recordings(sampler, memory, recordings, bits, count=recorded)

    bits = jax.random.bits(key, (config.batch, 2))
    rows = meshes.ROWS
    inputs, outputs = (rows, rows, meshes.COPIED), (rows, WINDOW)
    return meshes.per_shard(mesh, share, inputs=inputs, outputs=outputs)(memory, bits, recordings)


def write_back(fixed: Fixed, memory: ReplayState, window: Window, fresh: Refresh) -> ReplayState:
    """Writes fresh latents to their steps in the ring, and gives the sampler the losses.

    Args:
      fixed: what all programs of the run share.
      memory: as `draw` returned it; consumed by the caller's donation.
      window: [W, B, ...], as drawn from it.
      fresh: latents [T, B, ...] or None, and losses [T, B], of the same sequences.

    Raises:
      AssertionError: `fresh` does not cover the T trained steps of the B sequences.
    """
    steps, sequences = window.steps.reward.shape
    chex.assert_tree_shape_prefix(fresh, (steps - 1, sequences))

    def share(memory: ReplayState, window: Window, fresh: Refresh) -> ReplayState:
        if memory.latents is not None:
            memory = replay.refresh(memory, window, fresh.latents)
        return fixed.sampler.learned(memory, window, fresh.loss)

    inputs = (meshes.ROWS, WINDOW, meshes.BATCH)
    shared = meshes.per_shard(fixed.layout.mesh, share, inputs=inputs, outputs=meshes.ROWS)
    return shared(memory, window, fresh)
