"""Experience replay on the device: a ring of steps per environment, read as windows of time.

Row e of the ring belongs to environment e. A row that has seen `total` steps keeps the newest C of
them, step s at position s % C, so age and not position decides what a window may hold: it never
straddles the write head. All functions are pure; callers donate the state.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import compute_on as compute_on_

from dreamer_jax.types import ReplayState, Window

Space = jax.memory.Space
# JAX 0.12 has renamed it.
compute_on: Any = getattr(compute_on_, "compute_on2", compute_on_.compute_on)


def init(step: Any, latent: Any, *, rows: int, capacity: int, sampler: Any) -> ReplayState:
    """An empty ring for steps and latents shaped like the examples (arrays or shape structs).

    Args:
      step, latent: pytrees without batch axes. rows: E. capacity: C, steps per row.
      sampler: what the sampler of the ring remembers at first, see `replay.samplers`.
    """

    def ring(x: Any) -> jax.Array:
        return jnp.zeros((rows, capacity, *x.shape), x.dtype)

    return ReplayState(
        steps=jax.tree.map(ring, step),
        latents=jax.tree.map(ring, latent),
        total=jnp.zeros(rows, jnp.int32),
        sampler=sampler,
    )


def capacity(state: ReplayState) -> int:
    """C, the steps that fit in a row."""
    return jax.tree.leaves(state.steps)[0].shape[1]


def add(state: ReplayState, step: Any, latent: Any) -> ReplayState:
    """Appends one step to every row, over the oldest where a row is full: leaves [E, ...]."""
    rows = jnp.arange(state.total.shape[0])
    position = state.total % capacity(state)

    write = partial(_write, row=rows, time=position)
    return state.replace(
        steps=jax.tree.map(write, state.steps, step),
        latents=jax.tree.map(write, state.latents, latent),
        total=state.total + 1,
    )


def refresh(state: ReplayState, window: Window, latents: Any) -> ReplayState:
    """Writes the latents [T, B, ...] of a window's trained steps back to where they were."""
    latents = jax.tree.map(lambda x: x[:, : window.row.size], latents)
    # The context step was not seen again.
    write = partial(_write, row=window.row, time=window.time[1:])
    return state.replace(latents=jax.tree.map(write, state.latents, latents))


def block(state: ReplayState, start: jax.Array, length: int) -> Any:
    """What lies where the steps `start`, ..., `start + length - 1` of each row belong: [E, L, ...].

    Those that were not added yet have the steps there that they will be written over.
    """
    places = _places(state, start, length)
    return jax.tree.map(lambda x: read(x, *places.values()), state.steps)


def put(state: ReplayState, start: jax.Array, steps: Any) -> ReplayState:
    """Puts a `block` back where it was; counters and latents stay as they are."""
    places = _places(state, start, jax.tree.leaves(steps)[0].shape[1])
    return state.replace(steps=jax.tree.map(partial(_write, **places), state.steps, steps))


def _places(state: ReplayState, start: jax.Array, length: int) -> dict[str, jax.Array]:
    rows = jnp.arange(state.total.shape[0])[:, None]
    return {"row": rows, "time": (start + jnp.arange(length)) % capacity(state)}


def _write(ring: jax.Array, x: jax.Array, row: jax.Array, time: jax.Array) -> jax.Array:
    def write(ring: jax.Array, x: jax.Array, *at: jax.Array) -> jax.Array:
        return ring.at[at].set(x)

    return _where_it_lies(write, ring, x.astype(ring.dtype), row, time)


def read(ring: jax.Array, *at: jax.Array) -> jax.Array:
    """Picks entries of an array of the ring by their indices, on the device afterwards."""

    def pick(ring: jax.Array, *at: jax.Array) -> jax.Array:
        return ring[at]

    return jax.device_put(_where_it_lies(pick, ring, *at), Space.Device)


def _where_it_lies(
    function: Callable[..., jax.Array], ring: jax.Array, *inputs: jax.Array
) -> jax.Array:
    """Computes on the host what concerns a ring in host memory: only its result travels."""
    if jax.typeof(ring).memory_space != Space.Host:
        return function(ring, *inputs)
    moved = [jax.device_put(x, Space.Host) for x in inputs]
    on_host = compute_on(function, compute_type="device_host", out_memory_spaces=Space.Host)
    return on_host(ring, *moved)
