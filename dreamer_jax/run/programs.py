"""The compiled programs of a run: act, learn and report, each one donated call."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from dreamer_jax import mesh as meshes
from dreamer_jax.config import Replay
from dreamer_jax.replay import ring as replay
from dreamer_jax.replay import samplers
from dreamer_jax.replay.samplers import Sampler
from dreamer_jax.run.layout import SEED_TYPE, Layout
from dreamer_jax.types import (
    Actor,
    Agent,
    AgentState,
    Carry,
    Metrics,
    Recordings,
    Refresh,
    ReplayState,
    Step,
    Window,
)

INIT, ACT, LEARN, REPORT = range(4)  # what a random key is for


class Fixed(NamedTuple):
    """What all programs of a run share."""

    agent: Agent
    config: Replay
    layout: Layout
    sampler: Sampler


class Programs(NamedTuple):
    """Jitted functions; arguments marked * are donated and must not be used again.

    Random keys are derived, never stored: each is a function of the seed, of what it is for, and of
    a counter, so a run is a function of its configuration, its seed and its environment. The seed
    is an argument: runs that differ in nothing else share what was compiled.
    """

    init: Any  # (seed) -> state
    act: Any  # (seed, actor, replay*, carry*, seen, index) -> replay, carry, action
    learn: Any  # (seed, state*, replay*, sums*, count, recordings) -> state, replay, sums
    report: Any  # (seed, state, replay, recordings) -> metrics, pictures
    block: Any  # (replay, start, length) -> steps [E, length, ...]
    put: Any  # (replay*, start, steps) -> replay
    sums: Any  # shapes of the sums of metrics


def build(agent: Agent, config: Replay, layout: Layout, memory: ReplayState) -> Programs:
    """The programs of an agent for a replay configuration, a layout and the shapes of a ring."""
    given, mesh = fixed(agent, config, layout), layout.mesh
    act_ = jax.jit(
        partial(act, given),
        donate_argnums=(2, 3),
        out_shardings=(layout.ring, layout.carry, layout.action),
    )
    learn_ = jax.jit(
        partial(learn, given),
        donate_argnums=(1, 2, 3),
        out_shardings=(layout.state, layout.ring, layout.scalars),
    )
    init = jax.jit(
        lambda seed: agent.learner.init(derive(seed, INIT, 0)),
        out_shardings=layout.state,
        compiler_options={"xla_backend_optimization_level": 0},  # it runs once: 4 s instead of 15
    )
    number = jax.ShapeDtypeStruct((), SEED_TYPE, sharding=layout.scalars)
    state = jax.eval_shape(init, number)
    _, _, metrics = jax.eval_shape(partial(update, given), number, state, memory)
    return Programs(
        init=init,
        act=act_,
        learn=learn_,
        report=jax.jit(partial(report, given), out_shardings=layout.scalars),
        block=jax.jit(partial(block, mesh), static_argnums=2, out_shardings=layout.seen),
        put=jax.jit(partial(put, mesh), donate_argnums=0, out_shardings=layout.ring),
        sums={
            k: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=layout.scalars)
            for k, x in metrics.items()
        },
    )


def fixed(agent: Agent, config: Replay, layout: Layout) -> Fixed:
    """What the programs of a run share."""
    return Fixed(agent, config, layout, samplers.make(config))


def derive(seed: Any, purpose: int, counter: Any) -> jax.Array:
    """The key for one use of randomness."""
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), purpose), counter)


def act(
    given: Fixed,
    seed: jax.Array,
    actor: Actor,
    memory: ReplayState,
    carry: Carry,
    seen: Step,
    index: jax.Array,
) -> tuple[ReplayState, Carry, dict[str, jax.Array]]:
    """Chooses an action for every environment and remembers what was seen and chosen.

    seen: a step [E, ...] without its action; index: [] int32, steps acted before.
    """
    key = derive(seed, ACT, index)
    carry, action, latent = given.agent.player.act(actor, carry, seen.obs, seen.is_first, key)
    # Nobody acts on the last observation of an episode; replay must not pretend that somebody did.
    kept = {name: jnp.where(seen.is_last[:, None], 0, a) for name, a in action.items()}
    rows = meshes.ROWS

    def add(memory: ReplayState, step: Step, latent: Any) -> ReplayState:
        return given.sampler.added(replay.add(memory, step, latent))

    added = meshes.per_shard(given.layout.mesh, add, (rows, rows, rows), rows)
    return added(memory, seen.replace(action=kept), latent), carry, action


def learn(
    given: Fixed,
    seed: jax.Array,
    state: AgentState,
    memory: ReplayState,
    sums: Metrics,
    count: jax.Array,
    recordings: Recordings | None = None,
) -> tuple[AgentState, ReplayState, Metrics]:
    """`count` updates in one call; their metrics are added to `sums`."""

    def once(_: Any, carried: tuple[AgentState, ReplayState, Metrics]) -> tuple[Any, ...]:
        state, memory, sums = carried
        state, memory, metrics = update(given, seed, state, memory, recordings)
        return state, memory, jax.tree.map(jnp.add, sums, metrics)

    return jax.lax.fori_loop(0, count, once, (state, memory, sums))


def update(
    given: Fixed,
    seed: jax.Array,
    state: AgentState,
    memory: ReplayState,
    recordings: Recordings | None = None,
) -> tuple[AgentState, ReplayState, Metrics]:
    """Draws, learns, and writes the fresh latents back."""
    draw_key, update_key = jax.random.split(derive(seed, LEARN, state.updates))
    memory, window = draw(given, memory, draw_key, recordings)
    with meshes.within(given.layout.mesh):
        state, fresh, metrics = given.agent.learner.update(state, window, update_key)
    return state, write_back(given, memory, window, fresh), metrics


def report(
    given: Fixed,
    seed: jax.Array,
    state: AgentState,
    memory: ReplayState,
    recordings: Recordings | None = None,
) -> tuple[Metrics, dict[str, jax.Array]]:
    """What the agent makes of a fresh batch; replay stays as it is."""
    draw_key, report_key = jax.random.split(derive(seed, REPORT, state.updates))
    _, window = draw(given, memory, draw_key, recordings)
    return given.agent.learner.report(state, window, report_key)


def draw(
    given: Fixed, memory: ReplayState, key: jax.Array, recordings: Recordings | None = None
) -> tuple[ReplayState, Window]:
    """Each device draws its share of the batch from its own rows. The key is consumed.

    memory: the state of replay; its sampler advances. recordings: where there are some,
    `replay.recorded` sequences of the batch are from them, the last ones of each device's share.
    Returns: the state of replay and a window [W, B, ...].
    """
    config, mesh, sampler = given.config, given.layout.mesh, given.sampler
    recorded = config.recorded // mesh.size

    def share(memory: ReplayState, bits: jax.Array, recordings: Any) -> tuple[ReplayState, Window]:
        if recordings is None:
            return sampler.draw(memory, bits)
        return samplers.with_recordings(sampler, memory, recordings, bits, recorded)

    bits = jax.random.bits(key, (config.batch, 2))
    rows, batch = meshes.ROWS, meshes.BATCH
    window = Window(steps=batch, latents=batch, row=rows, time=batch)
    function = meshes.per_shard(mesh, share, (rows, rows, meshes.COPIED), (rows, window))
    return function(memory, bits, recordings)


def write_back(given: Fixed, memory: ReplayState, window: Window, fresh: Refresh) -> ReplayState:
    """Latents go back to where they came from, and the sampler hears how large the losses were."""

    def share(memory: ReplayState, window: Window, fresh: Refresh) -> ReplayState:
        if memory.latents is not None:
            memory = replay.refresh(memory, window, fresh.latents)
        return given.sampler.learned(memory, window, fresh.loss)

    rows, batch = meshes.ROWS, meshes.BATCH
    specs = (rows, Window(steps=batch, latents=batch, row=rows, time=batch), batch)
    return meshes.per_shard(given.layout.mesh, share, specs, rows)(memory, window, fresh)


def block(mesh: Mesh, memory: ReplayState, start: jax.Array, length: int) -> Any:
    """See `replay.block`."""
    function = partial(replay.block, length=length)
    rows = meshes.ROWS
    return meshes.per_shard(mesh, function, (rows, meshes.COPIED), rows)(memory, start)


def put(mesh: Mesh, memory: ReplayState, start: jax.Array, steps: Any) -> ReplayState:
    """See `replay.put`."""
    rows = meshes.ROWS
    specs = (rows, meshes.COPIED, rows)
    return meshes.per_shard(mesh, replay.put, specs, rows)(memory, start, steps)


def zeros(sums: Any) -> Metrics:
    """Sums of metrics before the first update, where `sums` (arrays or shape structs) are."""
    return {k: jax.device_put(np.zeros(x.shape, x.dtype), x.sharding) for k, x in sums.items()}
