"""Acting: features of the observation, then an action, and what learning must know of both."""

from collections.abc import Callable
from typing import Any

import chex
import jax

from dreamer_jax.agents.on_policy.features import Kept
from dreamer_jax.agents.on_policy.networks import HEADS, OnPolicy
from dreamer_jax.agents.on_policy.state import OnPolicyActor, OnPolicyState
from dreamer_jax.behavior.actor_critic import log_prob
from dreamer_jax.nn.heads import Policy, action_width
from dreamer_jax.types import Action, Obs

Choose = Callable[[Policy, jax.Array], Action]  # (policy, noise), such as `heads.sample`


def actor_of(ppo: OnPolicy, state: OnPolicyState) -> OnPolicyActor:
    """The part of `state` that acting reads."""
    params = {name: state.params[name] for name in (*ppo.features.names, *HEADS)}
    return OnPolicyActor(params=params, moments=state.moments, return_scale=state.return_scale)


def act_step(
    ppo: OnPolicy,
    choose: Choose,
    actor: OnPolicyActor,
    carry: Any,
    obs: Obs,
    is_first: jax.Array,
    key: jax.Array,
) -> tuple[Any, Action, Kept]:
    """Chooses an action from the features of the observations.

    Args:
      ppo: features and heads.
      choose: draws an action from the policy, or takes the most likely one.
      actor: parameters, moments and scale of returns.
      carry: [E, ...] of the features.
      obs: [E, ...] for each key, as the environments show them.
      is_first: [E] bool. There the carry is forgotten.
      key: consumed, for the features and for the action.

    Returns: the new carry [E, ...]; an action [E, n] for each key; what replay keeps [E, ...].
    """
    chex.assert_rank(is_first, 1)
    chex.assert_tree_shape_prefix((carry, obs), is_first.shape)
    feature_key, action_key = jax.random.split(key)
    carry, features, memory = ppo.features.step(
        actor.params, actor.moments, carry, obs, is_first, feature_key
    )
    policy = ppo.policy(actor.params, features)
    noise = jax.random.uniform(action_key, (*is_first.shape, action_width(ppo.interface.act)))
    action = choose(policy, noise)
    kept = Kept(
        log_prob=log_prob(policy, action),
        value=actor.return_scale.denormalize(ppo.value(actor.params, features)),
        memory=memory,
    )
    return ppo.features.took(carry, action), action, kept
