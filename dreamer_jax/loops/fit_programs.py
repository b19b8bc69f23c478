"""The compiled programs of learning from recordings: each one call, the state donated."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding

from dreamer_jax import mesh as meshes
from dreamer_jax.run.device_functions import derive
from dreamer_jax.types import Clips, Fit, Metrics, Obs

INIT, LEARN, MEASURE, PICTURES = range(4)  # what a random key is for
SEED_TYPE = np.uint32
# How clips are split over devices: by sequences.
CLIPS = Clips(steps=meshes.BATCH, time=meshes.BATCH, duration=meshes.ROWS)


class FitPrograms(NamedTuple):
    """Jitted functions; arguments marked * are donated and must not be used again."""

    init: Callable[[jax.Array], Any]
    """(seed) -> state"""
    learn: Callable[[jax.Array, Any, Metrics, Clips], tuple[Any, Metrics]]
    """(seed, state*, sums*, clips) -> state after one update, sums with its metrics added"""
    measure: Callable[[jax.Array, Any, np.int32, Clips], Metrics]
    """(seed, state, index [] int32 of the clips, clips) -> metrics"""
    pictures: Callable[[jax.Array, Any, Clips], Obs]
    """(seed, state, clips) -> pictures and films"""
    state: Any  # shapes of the state, and where they lie
    sums: dict[str, jax.ShapeDtypeStruct]  # shapes of the sums of metrics, and where they lie
    clips: Clips  # shardings of clips
    scalar: NamedSharding  # of a number that all devices read

    def seed(self, number: int) -> jax.Array:
        """The seed of a run, [] uint32, on its devices."""
        return jax.device_put(SEED_TYPE(number), self.scalar)


def build(fit: Fit[Any], clips: Clips, *, mesh: Mesh) -> FitPrograms:
    """Jits the programs of a stage. Nothing is compiled before the first call.

    Keys are functions of the seed and of `state.updates`, so an update is the same whether the run
    was resumed before it. Parameters are copied to all devices, and clips are split over them.

    Args:
      fit: the stage.
      clips: of one batch [T, B, ...], for their shapes.
      mesh: the devices.

    Returns:
      The programs, and the shapes of state and sums.
    """
    copied = meshes.copied(mesh)
    split = jax.tree.map(lambda spec: NamedSharding(mesh, spec), CLIPS)

    def learn(seed: jax.Array, state: Any, sums: Metrics, clips: Clips) -> tuple[Any, Metrics]:
        key = derive(seed, purpose=LEARN, counter=state.updates)
        state, metrics = fit.update(state, clips, key)
        return state, jax.tree.map(jnp.add, sums, metrics)

    def measure(seed: jax.Array, state: Any, index: jax.Array, clips: Clips) -> Metrics:
        return fit.measure(state, clips, derive(seed, purpose=MEASURE, counter=index))

    def pictures(seed: jax.Array, state: Any, clips: Clips) -> Obs:
        return fit.pictures(state, clips, derive(seed, purpose=PICTURES, counter=state.updates))

    init = jax.jit(
        lambda seed: fit.init(derive(seed, purpose=INIT, counter=0)), out_shardings=copied
    )
    seed = jax.ShapeDtypeStruct((), SEED_TYPE)
    state = jax.eval_shape(init, seed)
    _, metrics = jax.eval_shape(fit.update, state, clips, jax.eval_shape(jax.random.key, 0))
    placed = partial(jax.ShapeDtypeStruct, sharding=copied)
    return FitPrograms(
        init=init,
        learn=jax.jit(learn, donate_argnums=(1, 2), out_shardings=copied),
        measure=jax.jit(measure, out_shardings=copied),
        pictures=jax.jit(pictures, out_shardings=copied),
        state=jax.tree.map(lambda x: placed(x.shape, x.dtype), state),
        sums={name: placed(x.shape, x.dtype) for name, x in metrics.items()},
        clips=split,
        scalar=copied,
    )


def compiled(built: FitPrograms, clips: Clips) -> FitPrograms:
    """The programs with `learn` compiled for clips of this shape, which takes longest."""
    seed = jax.ShapeDtypeStruct((), SEED_TYPE, sharding=built.scalar)
    placed = jax.tree.map(
        lambda x, where: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=where),
        clips,
        jax.tree.broadcast(built.clips, clips),
    )
    program: Any = built.learn
    learn = program.lower(seed, built.state, built.sums, placed).compile()
    return built._replace(learn=learn)


def on_devices(clips: Clips, where: Clips) -> Clips:
    """Clips [T, B, ...] of the host on the devices, as `where` splits them."""
    return jax.tree.map(
        lambda x, sharding: jax.device_put(x, sharding), clips, jax.tree.broadcast(where, clips)
    )
