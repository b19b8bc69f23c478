"""The compiled programs of a run: act, learn and report, each one donated call."""

from collections.abc import Callable, Mapping
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
    Action,
    AgentState,
    AnyAgent,
    Carry,
    Metrics,
    Obs,
    Recordings,
    Refresh,
    ReplayState,
    State,
    Step,
    Window,
)

INIT, ACT, LEARN, REPORT = range(4)  # what a random key is for


class Fixed(NamedTuple):
    """What all programs of a run share."""

    agent: AnyAgent
    config: Replay
    layout: Layout
    sampler: Sampler


class Programs(NamedTuple):
    """Jitted functions; arguments marked * are donated and must not be used again.

    Random keys are derived, never stored: each is a function of the seed, of what it is for, and of
    a counter, so a run is a function of its configuration, its seed and its environment. The seed
    is an argument: runs that differ in nothing else share what was compiled.
    """

    init: Callable[[jax.Array], Any]
    """(seed) -> state"""
    act: Callable[
        [jax.Array, Any, ReplayState, Any, Step, np.int32 | jax.Array],
        tuple[ReplayState, Any, Action],
    ]
    """(seed, actor, replay*, carry*, seen, index) -> replay, carry, action"""
    learn: Callable[
        [jax.Array, Any, ReplayState, Metrics, jax.Array, Recordings | None],
        tuple[Any, ReplayState, Metrics],
    ]
    """(seed, state*, replay*, sums*, count, recordings) -> state, replay, sums"""
    report: Callable[[jax.Array, Any, ReplayState, Recordings | None], tuple[Metrics, Obs]]
    """(seed, state, replay, recordings) -> metrics, pictures"""
    block: Callable[[ReplayState, jax.Array, int], Step]
    """(replay, start, length) -> steps [E, length, ...]"""
    put: Callable[[ReplayState, jax.Array, Step], ReplayState]
    """(replay*, start, steps) -> replay"""
    sums: dict[str, jax.ShapeDtypeStruct]  # shapes of the sums of metrics, and where they lie


def build(agent: AnyAgent, config: Replay, layout: Layout, memory: ReplayState) -> Programs:
    """The programs of an agent for a replay configuration, a layout and the shapes of a ring."""
    given, mesh = fixed(agent, config, layout), layout.mesh
    act_ = jax.jit(
        partial(act, given),
        donate_argnums=(2, 3),
        out_shardings=(layout.ring, layout.carry, layout.action),
    )
    learn_ = jax.jit(
        partial(updates, given),
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
    _, _, metrics = jax.eval_shape(partial(one_update, given), number, state, memory)
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


def fixed(agent: AnyAgent, config: Replay, layout: Layout) -> Fixed:
    """What the programs of a run share."""
    return Fixed(agent, config, layout, samplers.make(config))


def derive(seed: jax.typing.ArrayLike, purpose: int, counter: jax.typing.ArrayLike) -> jax.Array:
    """The key for one use of randomness: fold_in(fold_in(key(seed), purpose), counter)."""
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), purpose), counter)


def act(
    given: Fixed,
    seed: jax.Array,
    actor: Any,
    memory: ReplayState,
    carry: Carry,
    seen: Step,
    index: jax.Array,
) -> tuple[ReplayState, Carry, Action]:
    """Chooses an action for every environment and adds what was seen and chosen to replay.

    Args:
      seed: [] uint32, of the run.
      actor: what acting reads of the agent's state; not donated, for `updates` reads it as well.
      memory: donated. Each device adds to the rows of its own environments.
      carry: donated.
      seen: a step [E, ...] without its action.
      index: [] int32, calls of this function before; with the seed it gives the random key.

    Returns:
      Replay with one more step in every row, the new carry, and the actions [E, n].
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


def updates(
    given: Fixed,
    seed: jax.Array,
    state: State,
    memory: ReplayState,
    sums: Metrics,
    count: jax.Array,
    recordings: Recordings | None = None,
) -> tuple[State, ReplayState, Metrics]:
    """`count` times `one_update`, in one call.

    The count is an argument and not a part of the program: the number of updates that a step owes
    varies, and nothing is compiled twice.

    Args:
      seed: [] uint32, of the run.
      state, memory, sums: donated.
      sums: [] float32 per metric, to which those of each update are added. They stay on the device
        until somebody reads them, so that no update waits for the host.
      count: [] int32.
      recordings: where there are some, a part of every batch is drawn from them.

    Returns:
      The state after the last update, replay with refreshed latents, and the sums.
    """

    def once(
        _: jax.Array, carried: tuple[State, ReplayState, Metrics]
    ) -> tuple[State, ReplayState, Metrics]:
        state, memory, sums = carried
        state, memory, metrics = one_update(given, seed, state, memory, recordings)
        return state, memory, jax.tree.map(jnp.add, sums, metrics)

    return jax.lax.fori_loop(0, count, once, (state, memory, sums))


def one_update(
    given: Fixed,
    seed: jax.Array,
    state: State,
    memory: ReplayState,
    recordings: Recordings | None = None,
) -> tuple[State, ReplayState, Metrics]:
    """Draws a batch, learns from it, and writes its fresh latents back to replay.

    The random keys are functions of the seed and of `state.updates`, so an update is the same
    whether it is the first of a call or the last, and whether the run was resumed before it.

    The latents are written back before the next batch is drawn. A sequence that is drawn twice in
    a row therefore starts from latents of the newest parameters. (§ Methods, latents in replay)
    """
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
) -> tuple[Metrics, Obs]:
    """What the agent makes of a fresh batch; replay stays as it is.

    Returns: errors of the world model, and pictures [2, T, B, h, w, c] uint8, see `Learner`.
    """
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


def block(mesh: Mesh, memory: ReplayState, start: jax.Array, length: int) -> Step:
    """See `replay.block`."""
    function = partial(replay.block, length=length)
    rows = meshes.ROWS
    return meshes.per_shard(mesh, function, (rows, meshes.COPIED), rows)(memory, start)


def put(mesh: Mesh, memory: ReplayState, start: jax.Array, steps: Step) -> ReplayState:
    """See `replay.put`."""
    rows = meshes.ROWS
    specs = (rows, meshes.COPIED, rows)
    return meshes.per_shard(mesh, replay.put, specs, rows)(memory, start, steps)


def zeros(sums: Mapping[str, jax.ShapeDtypeStruct]) -> Metrics:
    """Sums of metrics before the first update, where `sums` lie."""
    return {k: jax.device_put(np.zeros(x.shape, x.dtype), x.sharding) for k, x in sums.items()}
