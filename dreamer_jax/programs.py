"""The compiled programs of a run: act, learn and report, each one donated call."""

from functools import partial
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from dreamer_jax import mesh as meshes
from dreamer_jax import replay
from dreamer_jax.config import Replay
from dreamer_jax.types import Agent, AgentState, Carry, ReplayState, Step, Window

Metrics = dict[str, jax.Array]
INIT, ACT, LEARN, REPORT = range(4)  # what a random key is for


class Programs(NamedTuple):
    """Jitted functions; arguments marked * are donated and must not be used again.

    Random keys are derived, never stored: each is a function of the seed, of what it is for, and of
    a counter, so a run is a function of its configuration, its seed and its environment.
    """

    init: Any  # () -> state
    act: Any  # (state, replay*, carry*, seen, index) -> replay, carry, action
    learn: Any  # (state*, replay*, sums*, count) -> state, replay, sums of metrics
    report: Any  # (state, replay) -> metrics, pictures
    zeros: Any  # (state, replay) -> sums of metrics before the first update


def build(agent: Agent, config: Replay, seed: int, mesh: Mesh) -> Programs:
    """Compiles an agent for a replay configuration and a mesh; `seed` is of the run."""
    copied, split, ring = meshes.copied(mesh), meshes.split(mesh), ring_sharding(mesh, config)
    act_ = jax.jit(
        partial(act, agent, seed, mesh),
        donate_argnums=(1, 2),
        out_shardings=(ring, split, split),
    )
    learn_ = jax.jit(
        partial(learn, agent, config, seed, mesh),
        donate_argnums=(0, 1, 2),
        out_shardings=(copied, ring, copied),
    )
    return Programs(
        init=jax.jit(lambda: agent.init(derive(seed, INIT, 0)), out_shardings=copied),
        act=act_,
        learn=learn_,
        report=jax.jit(partial(report, agent, config, seed, mesh), out_shardings=copied),
        zeros=partial(zeros, agent, config, seed, mesh),
    )


def ring_sharding(mesh: Mesh, config: Replay) -> Any:
    """Where a replay state lies: rows over the devices, arrays of steps in `config.memory`."""
    rows, counters = meshes.split(mesh, config.memory), cast(Any, meshes.split(mesh))
    return ReplayState(steps=rows, latents=rows, total=counters, online=counters)


def derive(seed: int, purpose: int, counter: Any) -> jax.Array:
    """The key for one use of randomness."""
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), purpose), counter)


def act(
    agent: Agent,
    seed: int,
    mesh: Mesh,
    state: AgentState,
    memory: ReplayState,
    carry: Carry,
    seen: Step,
    index: jax.Array,
) -> tuple[ReplayState, Carry, dict[str, jax.Array]]:
    """Chooses an action for every environment and remembers what was seen and chosen.

    seen: a step [E, ...] without its action; index: [] int32, steps acted before.
    """
    key = derive(seed, ACT, index)
    carry, action, latent = agent.policy(state, carry, seen.obs, seen.is_first, key)
    # Nobody acts on the last observation of an episode; replay must not pretend that somebody did.
    kept = {name: jnp.where(seen.is_last[:, None], 0, a) for name, a in action.items()}
    rows = meshes.ROWS
    add = meshes.per_shard(mesh, replay.add, (rows, rows, rows), rows)
    return add(memory, seen.replace(action=kept), latent), carry, action


def learn(
    agent: Agent,
    config: Replay,
    seed: int,
    mesh: Mesh,
    state: AgentState,
    memory: ReplayState,
    sums: Metrics,
    count: jax.Array,
) -> tuple[AgentState, ReplayState, Metrics]:
    """`count` updates in one call; their metrics are added to `sums`."""

    def once(_: Any, carried: tuple[AgentState, ReplayState, Metrics]) -> tuple[Any, ...]:
        state, memory, sums = carried
        state, memory, metrics = update(agent, config, seed, mesh, state, memory)
        return state, memory, jax.tree.map(jnp.add, sums, metrics)

    return jax.lax.fori_loop(0, count, once, (state, memory, sums))


def update(
    agent: Agent, config: Replay, seed: int, mesh: Mesh, state: AgentState, memory: ReplayState
) -> tuple[AgentState, ReplayState, Metrics]:
    """Draws, learns, and writes the fresh latents back."""
    draw_key, update_key = jax.random.split(derive(seed, LEARN, state.updates))
    memory, window = draw(config, mesh, memory, draw_key)
    with meshes.within(mesh):
        state, latents, metrics = agent.update(state, window, update_key)
    return state, refresh(mesh, memory, window, latents), metrics


def report(
    agent: Agent, config: Replay, seed: int, mesh: Mesh, state: AgentState, memory: ReplayState
) -> tuple[Metrics, dict[str, jax.Array]]:
    """What the agent makes of a fresh batch; replay stays as it is."""
    draw_key, report_key = jax.random.split(derive(seed, REPORT, state.updates))
    _, window = draw(config, mesh, memory, draw_key)
    return agent.report(state, window, report_key)


def draw(
    config: Replay, mesh: Mesh, memory: ReplayState, key: jax.Array
) -> tuple[ReplayState, Window]:
    """Each device draws its share of the batch from its own rows. The key is consumed."""
    bits = jax.random.bits(key, (config.batch, 2))
    function = partial(replay.draw, length=config.length + 1, online=config.online)
    rows, batch = meshes.ROWS, meshes.BATCH
    window = Window(steps=batch, latents=batch, row=rows, time=batch)
    return meshes.per_shard(mesh, function, (rows, rows), (rows, window))(memory, bits)


def refresh(mesh: Mesh, memory: ReplayState, window: Window, latents: Any) -> ReplayState:
    """Writes latents back where they came from; nothing to do where replay keeps none."""
    if memory.latents is None:
        return memory
    rows, batch = meshes.ROWS, meshes.BATCH
    specs = (rows, Window(steps=batch, latents=batch, row=rows, time=batch), batch)
    return meshes.per_shard(mesh, replay.refresh, specs, rows)(memory, window, latents)


def zeros(
    agent: Agent, config: Replay, seed: int, mesh: Mesh, state: AgentState, memory: ReplayState
) -> Metrics:
    """Sums of metrics before the first update."""
    _, _, shapes = jax.eval_shape(partial(update, agent, config, seed, mesh), state, memory)
    fill = {name: jnp.zeros(x.shape, x.dtype) for name, x in shapes.items()}
    return jax.device_put(fill, meshes.copied(mesh))
