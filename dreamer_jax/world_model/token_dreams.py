"""Dreams in tokens: frame after frame from a window that was seen."""

from collections.abc import Callable
from typing import Generic, TypeVar

import chex
import jax
import jax.numpy as jnp
from flax.struct import PyTreeNode

from dreamer_jax.world_model.token_dynamics import Params, TokenDynamics
from dreamer_jax.world_model.token_frames import (
    Choose,
    Frames,
    NextFrame,
    acted,
    drawn,
    following,
)

Chosen = TypeVar("Chosen")  # what a policy returns of an action, a pytree of [B, ...]
Noise = TypeVar("Noise")  # a pytree of arrays with one slice for each step


class Dream(PyTreeNode, Generic[Chosen], kw_only=True):
    """H frames after a window. Action t was chosen at summary t and led to frame t."""

    summary: jax.Array  # [H + 1, B, width] float32, of the window and of each frame
    frames: NextFrame  # [H, B, ...]
    action: Chosen  # [H, B, ...]
    window: Frames  # [B, K, ...] as it is at the end


def imagine(
    model: TokenDynamics,
    params: Params,
    *,
    start: Frames,
    act: Callable[[jax.Array, Noise], tuple[Chosen, jax.Array]],
    action_noise: Noise,
    uniform: jax.Array,
    choose: Choose = drawn,
) -> Dream[Chosen]:
    """Continues a window for H frames: a_t = act(s_t), then `TokenDynamics.advance`; it slides.

    Episodes do not end in a dream: `frames.continue_` says how likely each one would go on.

    Args:
      model: the networks.
      params: of the model.
      start: [B, K, ...]; the action of its last frame is not read.
      act: (summary [B, width], noise) -> (action, encoded action [B, A]). The first is returned,
        the second moves the model. With A = 0 the model dreams without actions.
      action_noise: [H, ...], one slice for each call of `act`, such as uniform numbers for a
        policy, or recorded actions that `act` repeats.
      uniform: [H, B, n] numbers in [0, 1) that the tokens are drawn with.
      choose: how a token is drawn.
    """
    chex.assert_tree_shape_prefix(start, start.is_first.shape)
    chex.assert_tree_shape_prefix((action_noise, uniform), uniform.shape[:1])
    known = jnp.full(uniform.shape[1], model.action > 0)

    def step(frames: Frames, noise: tuple[Noise, jax.Array]) -> tuple[Frames, tuple]:
        moment = model.observe(params, frames)
        action, encoded = act(moment.summary, noise[0])
        frame, _ = model.advance(params, moment, encoded, known, noise[1], choose=choose)
        following = slid(frames, action=encoded, known=known, tokens=frame.tokens)
        return following, (moment.summary, frame, action)

    window, (summary, frames, action) = jax.lax.scan(step, start, (action_noise, uniform))
    last = model.observe(params, window).summary
    return Dream(
        summary=jnp.concatenate([summary, last[None]]), frames=frames, action=action, window=window
    )


def repeat(summary: jax.Array, action: jax.Array) -> tuple[jax.Array, jax.Array]:
    """A policy for `imagine` that repeats encoded actions, given in place of noise: [B, A]."""
    del summary
    return action, action


def slid(frames: Frames, *, action: jax.Array, known: jax.Array, tokens: jax.Array) -> Frames:
    """The window after the next frame: the oldest frame is dropped.

    Args:
      frames: [B, K, ...], the window.
      action: [B, A] encoded, that was chosen at its last frame.
      known: [B] bool, whether there is one.
      tokens: [B, n] of the next frame, at which no action is chosen yet.
    """
    return following(acted(frames, action, known), tokens, jnp.zeros_like(known))
