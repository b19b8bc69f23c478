"""Where each array of a run lies. This file alone decides it, in terms of `mesh`.

Parameters are copied to all devices. Arrays of environments are split by their rows.
"""

from typing import Any, NamedTuple, cast

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding

from dreamer_jax import mesh as meshes
from dreamer_jax.config import Replay
from dreamer_jax.types import ReplayState, Window

SEED_TYPE, COUNT_TYPE = np.uint32, np.int32
# How a drawn window is split: each device draws its share of the batch from its own rows.
WINDOW = Window(steps=meshes.BATCH, latents=meshes.BATCH, row=meshes.ROWS, time=meshes.BATCH)


class Layout(NamedTuple):
    """The sharding of each kind of array; E is the number of environments."""

    mesh: Mesh
    scalars: NamedSharding  # seed, counts, sums of metrics, reports
    state: NamedSharding  # the state of the agent
    ring: ReplayState  # of shardings: steps, latents [E, C, ...]; counters, sampler [E, ...]
    carry: NamedSharding  # [E, ...], of the agent's player
    seen: NamedSharding  # [E, ...], timesteps; they move with the call that reads them
    action: NamedSharding  # [E, n]
    recordings: NamedSharding


def make(mesh: Mesh, config: Replay) -> Layout:
    """The layout of a run on a mesh. Experience lies in `config.memory`, the rest on devices."""
    copied, rows = meshes.copied(mesh), meshes.split(mesh)
    steps, counters = cast(Any, meshes.split(mesh, config.memory)), cast(Any, rows)
    return Layout(
        mesh=mesh,
        scalars=copied,
        state=copied,
        ring=ReplayState(steps=steps, latents=steps, total=counters, sampler=counters),
        carry=rows,
        seen=rows,
        action=rows,
        # Every device draws from all recordings.
        recordings=meshes.copied(mesh, config.memory),
    )


def seed_on_device(layout: Layout, seed: int) -> jax.Array:
    """The seed of a run, [] uint32, on its devices."""
    return jax.device_put(SEED_TYPE(seed), layout.scalars)


def count_on_device(layout: Layout, count: int) -> jax.Array:
    """A number of steps or updates, [] int32, on the devices."""
    return jax.device_put(COUNT_TYPE(count), layout.scalars)


def with_sharding(shapes: Any, where: Any) -> Any:
    """The same shapes with their shardings; `where` may be a tree that `shapes` extends."""
    flat = jax.tree.broadcast(where, shapes)
    return jax.tree.map(
        lambda x, sharding: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), shapes, flat
    )
