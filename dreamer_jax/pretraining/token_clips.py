"""Clips of recordings in tokens, batch first: what the stage `dynamics` learns from."""

import chex
import jax
import jax.numpy as jnp
from flax.struct import PyTreeNode

from dreamer_jax.world_model.token_frames import Frames


class TokenClips(PyTreeNode, kw_only=True):
    """Clips of T frames, and what came with each of them."""

    images: jax.Array  # [B, T, h, w, c] uint8
    frames: Frames  # [B, T, ...]
    reward: jax.Array  # [B, T] float32, that arrived with the frame
    continue_: jax.Array  # [B, T] float32, 0 where the frame is terminal, else 1

    @property
    def follows(self) -> jax.Array:
        """[B, T - 1] bool: whether frame t + 1 is one that frame t led to."""
        return ~self.frames.is_first[:, 1:]

    @property
    def changed(self) -> jax.Array:
        """[B, T - 1, n] bool: whether a token of frame t + 1 differs from the one in frame t."""
        return self.frames.tokens[:, 1:] != self.frames.tokens[:, :-1]

    def windows(self, frames: int) -> "TokenClips":
        """Cut into windows of `frames` frames, which share one: [B * windows, frames, ...].

        So every step from one frame to the next is in one window. Frames that are left over at the
        end are dropped.
        """
        count = (self.reward.shape[1] - 1) // (frames - 1)
        chex.assert_scalar_positive(count)
        index = (frames - 1) * jnp.arange(count)[:, None] + jnp.arange(frames)

        def cut(x: jax.Array) -> jax.Array:
            return x[:, index].reshape(len(x) * count, frames, *x.shape[2:])

        return jax.tree.map(cut, self)
