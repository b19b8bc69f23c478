"""Experience replay on the device: a ring of steps per environment, read as windows of time.

Row e of the ring belongs to environment e. A row that has seen `total` steps keeps the newest C of
them, step s at position s % C. Age, not position, decides what a window may hold, so a window never
straddles the write head. All functions are pure; callers donate the state.

Steps and latents are any pytrees: the ring looks at the first axes of their leaves alone.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import chex
import jax
import jax.numpy as jnp
from jax.experimental import compute_on as compute_on_

from dreamer_jax.types import ReplayState, Window

Space = jax.memory.Space
# JAX 0.12 has renamed it; neither version has a type.
compute_on: Any = getattr(compute_on_, "compute_on2", compute_on_.compute_on)


def init(step: Any, latent: Any, *, rows: int, capacity: int, sampler: Any) -> ReplayState:
    """An empty ring for steps and latents shaped like the examples.

    Args:
      step: pytree of arrays or shape structs without batch axes, one step of one environment.
      latent: the same for what the agent keeps of a step; None keeps nothing.
      rows: E, environments.
      capacity: C, steps per row.
      sampler: pytree of [E, ...] that the sampler remembers at first, see `replay.samplers`.

    Returns:
      Zeros [E, C, ...] in the dtypes of the examples, and `total` zero for every row.
    """

    def zeros(x: Any) -> jax.Array:
        return jnp.zeros((rows, capacity, *x.shape), x.dtype)

    return ReplayState(
        steps=jax.tree.map(zeros, step),
        latents=jax.tree.map(zeros, latent),
        total=jnp.zeros(rows, jnp.int32),
        sampler=sampler,
    )


def capacity(state: ReplayState) -> int:
    """C, the steps that fit in a row."""
    return jax.tree.leaves(state.steps)[0].shape[1]


def add(state: ReplayState, step: Any, latent: Any) -> ReplayState:
    """Appends one step to every row; a full row loses its oldest step.

    Args:
      state: donated by the caller, so that the ring is written in place.
      step: pytree of [E, ...], cast to the dtypes of the ring.
      latent: pytree of [E, ...], or None where the ring keeps none.

    Returns:
      The state with `total` one higher in every row. The sampler is told separately.

    Raises:
      AssertionError: a leaf does not have E rows.
    """
    chex.assert_tree_shape_prefix((step, latent), state.total.shape)
    rows = jnp.arange(state.total.shape[0])
    write = partial(_write, row=rows, time=state.total % capacity(state))
    return state.replace(
        steps=jax.tree.map(write, state.steps, step),
        latents=jax.tree.map(write, state.latents, latent),
        total=state.total + 1,
    )


def refresh(state: ReplayState, window: Window, latents: Any) -> ReplayState:
    """Writes fresh latents of the trained steps of a window back to where the steps are.

    The context step keeps its latent: the update started from it and computed no new one. Recorded
    sequences, which stand after the first R, have no place in the ring and are left out.

    Args:
      state: donated by the caller.
      window: as drawn from this state; `row` [R] and `time` [W, R] say where its steps are.
      latents: pytree of [T, B, ...] with T = W - 1 and B >= R.

    Returns:
      The state with R * T latents replaced. Where two sequences share a step, either one may win.

    Raises:
      AssertionError: the shapes do not fit each other.
    """
    chex.assert_shape(window.time, (None, window.row.size))
    chex.assert_tree_shape_prefix(latents, (window.time.shape[0] - 1,))
    latents = jax.tree.map(lambda x: x[:, : window.row.size], latents)
    write = partial(_write, row=window.row, time=window.time[1:])
    return state.replace(latents=jax.tree.map(write, state.latents, latents))


def block(state: ReplayState, start: jax.Array, *, length: int) -> Any:
    """Reads the positions of the steps `start`, ..., `start + length - 1` of every row.

    Args:
      state: only read.
      start: [] int32, the number of a step since the beginning of the run.
      length: at most C.

    Returns:
      Steps [E, length, ...]. A step that was not added yet shows the older one that it will
      overwrite.
    """
    chex.assert_rank(start, 0)
    places = _places(state, start, length=length)
    return jax.tree.map(lambda x: read(x, *places.values()), state.steps)


def put(state: ReplayState, start: jax.Array, steps: Any) -> ReplayState:
    """The inverse of `block`: writes steps to where they were read.

    Args:
      state: donated by the caller. Its counters, latents and sampler stay as they are.
      start: [] int32, as for `block`.
      steps: pytree of [E, length, ...].

    Raises:
      AssertionError: the leaves do not share E and length, or E is not that of the ring.
    """
    chex.assert_rank(start, 0)
    length = jax.tree.leaves(steps)[0].shape[1]
    chex.assert_tree_shape_prefix(steps, (*state.total.shape, length))
    places = _places(state, start, length=length)
    return state.replace(steps=jax.tree.map(partial(_write, **places), state.steps, steps))


def _places(state: ReplayState, start: jax.Array, *, length: int) -> dict[str, jax.Array]:
    """Row [E, 1] and position [length] of the steps from `start` on."""
    rows = jnp.arange(state.total.shape[0])[:, None]
    return {"row": rows, "time": (start + jnp.arange(length)) % capacity(state)}


def _write(ring: jax.Array, x: jax.Array, *, row: jax.Array, time: jax.Array) -> jax.Array:
    """An array of the ring with the entries at (row, time) replaced by `x`."""

    def write(ring: jax.Array, x: jax.Array, *at: jax.Array) -> jax.Array:
        return ring.at[at].set(x)

    return _where_it_lies(write, ring, x.astype(ring.dtype), row, time)


def read(ring: jax.Array, *at: jax.Array) -> jax.Array:
    """Picks entries of an array of the ring by their indices; the result is on the device."""

    def pick(ring: jax.Array, *at: jax.Array) -> jax.Array:
        return ring[at]

    return jax.device_put(_where_it_lies(pick, ring, *at), Space.Device)


def _where_it_lies(
    function: Callable[..., jax.Array], ring: jax.Array, *inputs: jax.Array
) -> jax.Array:
    """Runs on the host where the ring is in host memory, so that only the result travels."""
    if jax.typeof(ring).memory_space != Space.Host:
        return function(ring, *inputs)
    moved = [jax.device_put(x, Space.Host) for x in inputs]
    on_host = compute_on(function, compute_type="device_host", out_memory_spaces=Space.Host)
    return on_host(ring, *moved)
