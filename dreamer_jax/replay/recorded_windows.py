"""Windows with recorded sequences in addition to those of the ring."""

import chex
import jax
import jax.numpy as jnp

from dreamer_jax.replay import ring
from dreamer_jax.replay.samplers import Sampler
from dreamer_jax.replay.windows import below
from dreamer_jax.types import Recordings, ReplayState, Window


def with_recordings(
    sampler: Sampler, state: ReplayState, recordings: Recordings, bits: jax.Array, *, count: int
) -> tuple[ReplayState, Window]:
    """Draws a window with `sampler`, and adds `count` recorded sequences after its own.

    Args:
      sampler: draws B - `count` sequences.
      state: of the ring.
      recordings: [N, ...].
      bits: [B, 2] uint32, consumed. The first `count` pairs are for the recordings.
      count: B - R.

    Returns:
      The state as the sampler left it, and a window [W, B, ...] with R rows and times.
    """
    chex.assert_shape(bits, (None, 2))
    state, window = sampler.draw(state, bits[count:])
    return state, join_recorded(recordings, window, bits[:count])


def join_recorded(recordings: Recordings, window: Window, bits: jax.Array) -> Window:
    """Adds a recorded sequence to a window for each pair of random words.

    The end of the recordings continues at their beginning, so every step of them is equally likely
    to be trained on. Recordings have no latents. A sequence starts from the initial latent, like a
    new episode, and the content of its context step is not used.

    Args:
      recordings: [N, ...], only read.
      window: [W, R, ...], from the ring.
      bits: [B - R, 2] uint32, consumed. The first word of a pair is not needed.

    Returns:
      A window [W, B, ...] whose `row` and `time` are still those of the R sequences.

    Raises:
      AssertionError: the shapes do not fit each other.
    """
    chex.assert_shape(bits, (None, 2))
    chex.assert_shape(window.time, (None, window.row.size))
    chex.assert_tree_shape_prefix(recordings.steps, recordings.steps.reward.shape)
    length, count = window.time.shape[0], recordings.steps.reward.shape[0]
    start = below(bits[:, 1], jnp.int32(count))
    time = (start + jnp.arange(-1, length - 1)[:, None]) % count
    steps = jax.tree.map(lambda x: ring.read(x, time), recordings.steps)
    steps = steps.replace(is_first=steps.is_first.at[1].set(True))
    latents = jax.tree.map(
        lambda x: jnp.zeros((*time.shape, *x.shape[2:]), x.dtype), window.latents
    )
    both = (window.steps, window.latents), (steps, latents)
    steps, latents = jax.tree.map(lambda a, b: jnp.concatenate([a, b], axis=1), *both)
    return window.replace(steps=steps, latents=latents)
