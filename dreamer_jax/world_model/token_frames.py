"""Frames in tokens: windows of them, what a model says of a window, and how tokens are drawn."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax.struct import PyTreeNode

from dreamer_jax.nn.causal import Memories
from dreamer_jax.nn.dists import Bernoulli, Categorical, TwoHot

Choose = Callable[[jax.Array, jax.Array], jax.Array]
"""(logits [B, codes], uniform [B]) -> tokens [B] int32"""


class Frames(NamedTuple):
    """A window of frames, the oldest first."""

    tokens: jax.Array  # [B, K, n] int32
    action: jax.Array  # [B, K, A] float32, encoded; the one that was chosen at the frame
    known: jax.Array  # [B, K] bool, whether the action was recorded
    is_first: jax.Array  # [B, K] bool, whether an episode begins with the frame


class Outputs(PyTreeNode, kw_only=True):
    """What the model says of a window. Index k is that of the frame at whose slots it is said."""

    logits: jax.Array  # [B, K - 1, n, codes] float32, of `tokens[:, k + 1]`
    reward: TwoHot  # [B, K] of frame k + 1
    continue_: Bernoulli  # [B, K] of frame k + 1: whether it is not terminal
    summary: jax.Array  # [B, K, width] float32: frames and actions before action k
    summary_reward: TwoHot  # [B, K] as `reward`, without action k
    summary_continue: Bernoulli  # [B, K] as `continue_`, without action k


class NextFrame(NamedTuple):
    """A frame that the model has drawn."""

    tokens: jax.Array  # [B, n] int32
    reward: jax.Array  # [B] float32, expected
    continue_: jax.Array  # [B] float32, probability that it is not terminal


class Moment(PyTreeNode, kw_only=True):
    """A window that was encoded up to its last frame, whose action is still to be chosen."""

    summary: jax.Array  # [B, width] float32
    memories: Memories  # of (n + 2) K - 1 slots: the last action is missing
    is_first: jax.Array  # [B, K] bool


def acted(frames: Frames, action: jax.Array, known: jax.Array) -> Frames:
    """The window [B, K, ...] with an action at its last frame: encoded [B, A], known [B] bool."""
    # Joined, and not set in place: exporters to ONNX get scatters of slices wrong.
    return frames._replace(
        action=jnp.concatenate([frames.action[:, :-1], action[:, None]], axis=1),
        known=jnp.concatenate([frames.known[:, :-1], known[:, None]], axis=1),
    )


def following(frames: Frames, tokens: jax.Array, is_first: jax.Array) -> Frames:
    """The window [B, K, ...], with its last action, one frame later.

    tokens: [B, n] of the next frame; is_first: [B] bool, whether an episode begins with it.
    """

    def shifted(x: jax.Array, new: jax.Array) -> jax.Array:
        return jnp.concatenate([x[:, 1:], new[:, None]], axis=1)

    return Frames(
        tokens=shifted(frames.tokens, tokens),
        action=shifted(frames.action, jnp.zeros_like(frames.action[:, 0])),
        known=shifted(frames.known, jnp.zeros_like(is_first)),
        is_first=shifted(frames.is_first, is_first),
    )


def drawn(logits: jax.Array, uniform: jax.Array, *, temperature: float = 1.0) -> jax.Array:
    """Tokens from softmax(logits / temperature): [B, codes], [B] in [0, 1) -> [B] int32."""
    return Categorical.from_logits(logits / temperature, unimix=0.0).sample(uniform)


def likeliest(logits: jax.Array, uniform: jax.Array) -> jax.Array:
    """The most likely tokens: [B, codes], [B] unused -> [B] int32."""
    del uniform
    return jnp.argmax(logits, axis=-1).astype(jnp.int32)
