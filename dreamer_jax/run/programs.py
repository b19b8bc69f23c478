"""The compiled programs of a run: act, learn and report, each one call with donated arguments.

`Any` in this module stands for a pytree of the agent, which only the agent looks into.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np
from jax.sharding import Mesh

from dreamer_jax import mesh as meshes
from dreamer_jax.config import Replay
from dreamer_jax.replay import ring as replay
from dreamer_jax.run.device_functions import (
    INIT,
    act,
    derive,
    make_fixed,
    one_update,
    report,
    updates,
)
from dreamer_jax.run.layout import SEED_TYPE, Layout
from dreamer_jax.types import Action, AnyAgent, Metrics, Obs, Recordings, ReplayState, Step

IN_HASTE: dict[str, bool | int | str | float] = {"xla_backend_optimization_level": 0}


class ReadBlock(Protocol):
    """`replay.ring.block`, compiled once for each length."""

    def __call__(self, memory: ReplayState, start: jax.Array, *, length: int) -> Step:
        """Steps [E, length, ...] from step `start` [] int32 on."""
        ...


class Programs(NamedTuple):
    """Jitted functions; arguments marked * are donated and must not be used again.

    Random keys are derived, never stored. Each is a function of the seed, its purpose and a
    counter, so a run is a function of its configuration, its seed and its environment. The seed is
    an argument, so that runs that differ in the seed alone share their compiled programs.

    All but `block` take their arguments by position, as donation counts them.
    """

    init: Callable[[jax.Array], Any]
    """(seed) -> state"""
    act: Callable[
        [jax.Array, Any, ReplayState, Any, Step, np.int32 | jax.Array],
        tuple[ReplayState, Any, Action],
    ]
    """`device_functions.act`:
    (seed, actor, replay*, carry*, seen, index) -> replay, carry, action"""
    learn: Callable[
        [jax.Array, Any, ReplayState, Metrics, jax.Array, Recordings | None],
        tuple[Any, ReplayState, Metrics],
    ]
    """`device_functions.updates`:
    (seed, state*, replay*, sums*, count, recordings) -> state, replay, sums"""
    report: Callable[[jax.Array, Any, ReplayState, Recordings | None], tuple[Metrics, Obs]]
    """`device_functions.report`: (seed, state, replay, recordings) -> metrics, pictures"""
    block: ReadBlock
    """(replay, start, length) -> steps [E, length, ...]"""
    put: Callable[[ReplayState, jax.Array, Step], ReplayState]
    """(replay*, start, steps) -> replay"""
    sums: dict[str, jax.ShapeDtypeStruct]  # shapes of the sums of metrics, and where they lie


def build(agent: AnyAgent, *, config: Replay, layout: Layout, memory: ReplayState) -> Programs:
    """Jits the programs of a run. Nothing is compiled before the first call or `lower`.

    Only `learn` is traced here, once, to find which metrics there are.

    Args:
      agent: what acts and learns.
      config: batch, length, sampler and memory of replay.
      layout: where the arguments and the results lie.
      memory: shapes of the ring, [E, C, ...].

    Returns:
      The programs, and the shapes of the sums of metrics, each [] float32.
    """
    fixed, mesh = make_fixed(agent, config=config, layout=layout), layout.mesh
    act_ = jax.jit(
        partial(act, fixed),
        donate_argnums=(2, 3),
        out_shardings=(layout.ring, layout.carry, layout.action),
    )
    learn_ = jax.jit(
        partial(updates, fixed),
        donate_argnums=(1, 2, 3),
        out_shardings=(layout.state, layout.ring, layout.scalars),
    )
    init = jax.jit(
        lambda seed: agent.learner.init(derive(seed, purpose=INIT, counter=0)),
        out_shardings=layout.state,
        compiler_options=IN_HASTE,  # it runs once: 4 s instead of 15
    )
    number = jax.ShapeDtypeStruct((), SEED_TYPE, sharding=layout.scalars)
    state = jax.eval_shape(init, number)
    _, _, metrics = jax.eval_shape(partial(one_update, fixed), number, state, memory)
    return Programs(
        init=init,
        act=act_,
        learn=learn_,
        report=jax.jit(
            partial(report, fixed),
            out_shardings=layout.scalars,
            # It runs rarely. A CPU compiles it in 3 s instead of 9; a GPU takes long for neither.
            compiler_options=IN_HASTE if mesh.devices.flat[0].platform == "cpu" else None,
        ),
        block=jax.jit(partial(block, mesh), static_argnames="length", out_shardings=layout.seen),
        put=jax.jit(partial(put, mesh), donate_argnums=0, out_shardings=layout.ring),
        sums={
            k: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=layout.scalars)
            for k, x in metrics.items()
        },
    )


def block(mesh: Mesh, memory: ReplayState, start: jax.Array, *, length: int) -> Step:
    """`replay.ring.block` on every device: steps [E, length, ...]. Nothing is donated."""
    function, rows = partial(replay.block, length=length), meshes.ROWS
    inputs = (rows, meshes.COPIED)
    return meshes.per_shard(mesh, function, inputs=inputs, outputs=rows)(memory, start)


def put(mesh: Mesh, memory: ReplayState, start: jax.Array, steps: Step) -> ReplayState:
    """`replay.ring.put` on every device; `memory` is donated."""
    rows = meshes.ROWS
    inputs = (rows, meshes.COPIED, rows)
    return meshes.per_shard(mesh, replay.put, inputs=inputs, outputs=rows)(memory, start, steps)


def zeros(sums: Mapping[str, jax.ShapeDtypeStruct]) -> Metrics:
    """Sums of metrics before the first update, each [], with the shardings of `sums`."""
    return {k: jax.device_put(np.zeros(x.shape, x.dtype), x.sharding) for k, x in sums.items()}
