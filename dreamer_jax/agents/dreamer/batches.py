"""From drawn windows to sequences to train on."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from dreamer_jax import spaces
from dreamer_jax.agents.dreamer.networks import Dreamer
from dreamer_jax.types import Step, Window
from dreamer_jax.world_model import rssm
from dreamer_jax.world_model.latents import Latent


class Batch(NamedTuple):
    """Sequences to train on, and what came just before them."""

    step: Step  # [T, B, ...]
    previous_action: jax.Array  # [T, B, A] encoded, entry t led to observation t
    start: Latent  # [B, ...] before the first step


def prepare(dreamer: Dreamer, window: Window) -> Batch:
    """Cuts the context step off a window; it gives the first latent and the first action.

    An episode that was abandoned (a new one follows it without an end) is marked as truncated.
    Without stored latents, sequences start as if they were the beginning of an episode.
    """
    steps: Step = window.steps
    abandoned = jnp.concatenate([steps.is_first[1:], jnp.zeros_like(steps.is_first[:1])])
    steps = steps.replace(is_last=steps.is_last | abandoned)
    trained = jax.tree.map(lambda x: x[1:], steps)
    previous = spaces.flatten(jax.tree.map(lambda x: x[:-1], steps.action), dreamer.act)
    if window.latents is None:
        trained = trained.replace(is_first=trained.is_first.at[0].set(True))
        return Batch(trained, previous, dreamer.nets.rssm.initial(steps.reward.shape[1]))
    context = jax.tree.map(lambda x: x[0], window.latents)
    return Batch(trained, previous, rssm.expand(context, dreamer.config.model.classes))
