"""Latents of the world model as features of a policy."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax.struct import PyTreeNode

from dreamer_jax.agents.dreamer.acting import initial_carry, see
from dreamer_jax.agents.dreamer.networks import BEHAVIOR, WORLD_MODEL, Dreamer
from dreamer_jax.agents.dreamer.networks import init as init_dreamer
from dreamer_jax.agents.dreamer.state import DreamerActor, DreamerCarry
from dreamer_jax.agents.on_policy.features import Features, Params, Seen
from dreamer_jax.types import Action, Obs, Step
from dreamer_jax.world_model import moments
from dreamer_jax.world_model.latents import Latent
from dreamer_jax.world_model.moments import Moments, Rescale


class KeptLatent(PyTreeNode, kw_only=True):
    """A latent to the last digit, so that learning sees what acting saw."""

    deter: jax.Array  # [*, D] float32
    stoch: jax.Array  # [*, S] uint8, index of the sampled class


def keep(latent: Latent) -> KeptLatent:
    """A latent for replay: [*, ...] -> [*, ...]."""
    stoch = jnp.argmax(latent.stoch, axis=-1).astype(jnp.uint8)
    return KeptLatent(deter=latent.deter, stoch=stoch)


def restored(kept: KeptLatent, *, classes: int) -> Latent:
    """The latent that was kept, of a model with `classes` classes: [*, ...] -> [*, ...]."""
    return Latent(deter=kept.deter, stoch=jax.nn.one_hot(kept.stoch, classes, dtype=jnp.float32))


def features_of(dreamer: Dreamer, *, learns: bool) -> Features[DreamerCarry]:
    """Deterministic and stochastic part of the latent, side by side.

    They are given to PPO as acting has filtered and drawn them, and its gradient does not reach
    the world model, as that of Dreamer's policy does not: what a latent has to tell is decided by
    what it must predict. So the policy learns in minibatches of single steps, without the cost of
    the recurrence.

    learns: whether the world model does, by its own losses; else its scale of vectors stays, too.
    """
    rescale: Rescale = moments.update if learns else moments.keep
    return Features(
        names=("encoder", "rssm"),
        trained=(),
        sequential=False,
        init=partial(init, dreamer),
        carry=partial(initial_carry, dreamer),
        step=partial(step, dreamer),
        took=took,
        unroll=partial(unroll, dreamer),
        observe=partial(observe, dreamer, rescale),
    )


def init(dreamer: Dreamer, key: jax.Array) -> tuple[Params, dict[str, Moments]]:
    """A fresh world model, and no evidence about the scale of vectors; the key is consumed."""
    state = init_dreamer(dreamer, WORLD_MODEL, key)
    params = {name: x for name, x in state.params.items() if name not in BEHAVIOR}
    return params, state.moments


def step(
    dreamer: Dreamer,
    params: Params,
    scale: dict[str, Moments],
    carry: DreamerCarry,
    obs: Obs,
    is_first: jax.Array,
    key: jax.Array,
) -> tuple[DreamerCarry, jax.Array, KeptLatent]:
    """Filters observations [E, ...] into the latent, see `Features.step`."""
    actor = DreamerActor(params=params, moments=scale)
    carry = see(dreamer, actor, carry, obs, is_first, key)
    return carry, carry.latent.features, keep(carry.latent)


def took(carry: DreamerCarry, action: Action) -> DreamerCarry:
    """The carry with the action [E, n] that was chosen at its latent."""
    return carry.replace(action=action)


def unroll(dreamer: Dreamer, params: Params, scale: Any, start: Any, seen: Seen) -> jax.Array:
    """The features [*, F] of the latents that were kept."""
    del params, scale, start
    return restored(seen.memory, classes=dreamer.config.model.classes).features


def observe(
    dreamer: Dreamer, rescale: Rescale, running: dict[str, Moments], steps: Step
) -> dict[str, Moments]:
    """The scale of vectors after a rollout [T, B, ...]."""
    return rescale(running, steps.obs, horizon=dreamer.config.model.moments_horizon)
