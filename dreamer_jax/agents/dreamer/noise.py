"""The random numbers of an update: all are drawn before it uses the first of them."""

from typing import NamedTuple

import jax

from dreamer_jax.agents.dreamer.networks import Dreamer
from dreamer_jax.nn.heads import action_width


class DreamNoise(NamedTuple):
    """Numbers in [0, 1) that dreams are drawn with, for each step into the future."""

    action: jax.Array  # [H, *, n]
    latent: jax.Array  # [H, *, S]


class Noise(NamedTuple):
    """Numbers in [0, 1) for a batch. Those of a part of it are a part of these."""

    latent: jax.Array  # [T, B, S] of the posterior
    dream: DreamNoise  # [H, T, B, ...] from every state


def for_dream(dreamer: Dreamer, key: jax.Array, *, shape: tuple[int, ...]) -> DreamNoise:
    """For dreams from latents of `shape` [*]; the key is consumed."""
    latent_key, action_key = jax.random.split(key)
    shape = (dreamer.config.behavior.imagination, *shape)
    return DreamNoise(
        action=jax.random.uniform(action_key, (*shape, action_width(dreamer.act))),
        latent=jax.random.uniform(latent_key, (*shape, dreamer.nets.rssm.stoch)),
    )


def for_batch(dreamer: Dreamer, key: jax.Array, *, shape: tuple[int, ...]) -> Noise:
    """For a batch of `shape` (T, B); the key is consumed."""
    # The first key alone filters, so that updates without dreams filter as those with them do.
    latent_key, dream_key = jax.random.split(key)
    return Noise(
        latent=jax.random.uniform(latent_key, (*shape, dreamer.nets.rssm.stoch)),
        dream=for_dream(dreamer, dream_key, shape=shape),
    )
