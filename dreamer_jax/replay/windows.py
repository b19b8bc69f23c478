"""Windows at given places of the ring, and places from random words."""

import chex
import jax
import jax.numpy as jnp

from dreamer_jax.replay import ring
from dreamer_jax.types import ReplayState, Window


def window_at(state: ReplayState, row: jax.Array, start: jax.Array, *, length: int) -> Window:
    """Reads the window [W, B, ...] of the steps start, ..., start + W - 1 of the rows.

    Args:
      state: only read.
      row: [B] int32.
      start: [B] int32, numbers of steps since the beginning of the run.
      length: W.

    Raises:
      AssertionError: while tracing, if `row` and `start` are not both [B].
    """
    chex.assert_rank(row, 1)
    chex.assert_equal_shape([row, start])
    time = (start + jnp.arange(length)[:, None]) % ring.capacity(state)
    experience = (state.steps, state.latents)
    steps, latents = jax.tree.map(lambda x: ring.read(x, row, time), experience)
    return Window(steps=steps, latents=latents, row=row, time=time)


def below(bits: jax.Array, limit: jax.Array) -> jax.Array:
    """Random words [*] uint32 as integers in [0, limit); probabilities differ by at most 2⁻³²."""
    return (bits % limit.astype(jnp.uint32)).astype(jnp.int32)
