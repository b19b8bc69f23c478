"""From drawn windows to sequences to train on."""

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

from dreamer_jax import spaces
from dreamer_jax.agents.dreamer.networks import Dreamer, scale_vectors
from dreamer_jax.behavior.actor_critic import ReturnRange
from dreamer_jax.types import Step, Window
from dreamer_jax.world_model.latents import Latent, expand
from dreamer_jax.world_model.moments import Moments


class Batch(NamedTuple):
    """Sequences to train on, with the latent and the action just before them."""

    step: Step  # [T, B, ...]
    previous_action: jax.Array  # [T, B, A] encoded, entry t led to observation t
    start: Latent  # [B, ...] before the first step
    return_range: ReturnRange | None = None  # after the whole batch, where this is a part of it


def prepare(dreamer: Dreamer, window: Window) -> Batch:
    """Cuts the context step off a window; it gives the first latent and the first action.

    An episode that was abandoned (a new one follows it without an end) is marked as truncated.
    Without stored latents, sequences start as if they were the beginning of an episode.

    Args:
      dreamer: gives the sizes of actions and latents.
      window: [W, B, ...] as replay drew it, W = 1 + T. Entry t of its latents is from after seeing
        step t, under the parameters of an earlier update.

    Returns: T steps, of which each is paired with the action before it: action t of the window led
      to step t + 1.
    """
    steps = window.steps
    chex.assert_rank(steps.reward, 2)
    chex.assert_tree_shape_prefix((steps, window.latents), steps.reward.shape)
    abandoned = jnp.concatenate([steps.is_first[1:], jnp.zeros_like(steps.is_first[:1])])
    steps = steps.replace(is_last=steps.is_last | abandoned)
    trained = jax.tree.map(lambda x: x[1:], steps)
    previous = spaces.flatten(jax.tree.map(lambda x: x[:-1], steps.action), dreamer.act)
    if window.latents is None:
        trained = trained.replace(is_first=trained.is_first.at[0].set(True))
        start = dreamer.nets.rssm.initial(steps.reward.shape[1])
    else:
        context = jax.tree.map(lambda x: x[0], window.latents)
        start = expand(context, classes=dreamer.config.model.classes)
    return Batch(step=trained, previous_action=previous, start=start)


def scaled(dreamer: Dreamer, running: dict[str, Moments], batch: Batch) -> Batch:
    """The batch with its vectors as encoder and decoder see them, see `scale_vectors`."""
    obs = scale_vectors(dreamer, running, batch.step.obs)
    return batch._replace(step=batch.step.replace(obs=obs))
