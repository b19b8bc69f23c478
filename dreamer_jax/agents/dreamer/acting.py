"""Acting: filter observations into a latent, then choose."""

from collections.abc import Callable

import chex
import jax

from dreamer_jax import spaces
from dreamer_jax.agents.dreamer.networks import ACTS, Dreamer, scale_vectors
from dreamer_jax.agents.dreamer.state import DreamerActor, DreamerCarry, DreamerState
from dreamer_jax.nn.heads import Policy, action_width
from dreamer_jax.types import Action, Obs
from dreamer_jax.world_model import rssm
from dreamer_jax.world_model.latents import CompactLatent, compact

Choose = Callable[[Policy, jax.Array], Action]  # (policy, noise), such as `heads.sample`


def actor_of(state: DreamerState) -> DreamerActor:
    """The part of `state` that acting reads."""
    params = {name: state.params[name] for name in ACTS}
    return DreamerActor(params=params, moments=state.moments)


def initial_carry(dreamer: Dreamer, envs: int) -> DreamerCarry:
    """The memory before the first step of `envs` environments: zeros."""
    latent = dreamer.nets.rssm.initial(envs)
    return DreamerCarry(latent=latent, action=spaces.zeros(dreamer.act, envs))


def act_step(
    dreamer: Dreamer,
    choose: Choose,
    actor: DreamerActor,
    carry: DreamerCarry,
    obs: Obs,
    is_first: jax.Array,
    key: jax.Array,
) -> tuple[DreamerCarry, Action, CompactLatent | None]:
    """Filters the observations into the latent, then chooses an action from its features.

    The same `observe_step` as in training, so replay holds the latents that training would have
    computed with these parameters.

    Args:
      dreamer: networks and spaces.
      choose: draws an action from the policy, takes the most likely one, or ignores the policy.
      actor: parameters and scale of vectors.
      carry: latent and action [E, ...] of the previous step.
      obs: [E, ...] for each key, as the environments show them.
      is_first: [E] bool. There the carry is forgotten.
      key: consumed, for the latent and for the action.

    Returns: the new carry [E, ...]; an action [E, n] for each key; the latent for replay, or None
      where replay keeps none.
    """
    chex.assert_rank(is_first, 1)
    chex.assert_tree_shape_prefix((carry, obs), is_first.shape)
    latent_key, action_key = jax.random.split(key)
    carry = see(dreamer, actor, carry, obs, is_first, latent_key)
    action = chosen(dreamer, choose, actor, carry, action_key)
    kept = compact(carry.latent) if dreamer.keeps_latents else None
    return carry.replace(action=action), action, kept


def see(
    dreamer: Dreamer,
    actor: DreamerActor | DreamerState,
    carry: DreamerCarry,
    obs: Obs,
    is_first: jax.Array,
    key: jax.Array,
) -> DreamerCarry:
    """Filters observations [E, ...] into the latent; the key is consumed for its sample."""
    uniform = jax.random.uniform(key, (*is_first.shape, dreamer.nets.rssm.stoch))
    return see_with(dreamer, actor, carry, obs, is_first, uniform)


def see_with(
    dreamer: Dreamer,
    actor: DreamerActor | DreamerState,
    carry: DreamerCarry,
    obs: Obs,
    is_first: jax.Array,
    uniform: jax.Array,
) -> DreamerCarry:
    """`see` with the numbers [E, S] in [0, 1) that the sample is drawn with."""
    params, model = actor.params, dreamer.nets.rssm
    latent, _ = rssm.observe_step(
        model,
        {"params": params["rssm"]},
        carry.latent,
        spaces.flatten(carry.action, dreamer.act),
        tokens=dreamer.encode(params, scale_vectors(dreamer, actor.moments, obs)),
        is_first=is_first,
        uniform=uniform,
    )
    return carry.replace(latent=latent)


def chosen(
    dreamer: Dreamer,
    choose: Choose,
    actor: DreamerActor | DreamerState,
    carry: DreamerCarry,
    key: jax.Array,
) -> Action:
    """An action [E, n] for each key, at the latent of the carry; the key is consumed."""
    features = carry.latent.features
    noise = jax.random.uniform(key, (*features.shape[:-1], action_width(dreamer.act)))
    return choose(dreamer.policy(actor.params, features), noise)
