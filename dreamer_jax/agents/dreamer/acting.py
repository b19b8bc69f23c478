"""Acting: filter what is seen into a latent, then choose."""

from collections.abc import Callable

import jax

from dreamer_jax import spaces
from dreamer_jax.agents.dreamer.networks import ACTS, Dreamer, scale_vectors
from dreamer_jax.agents.dreamer.state import Actor, Carry, DreamerState
from dreamer_jax.nn.heads import Policy, action_width
from dreamer_jax.world_model import rssm
from dreamer_jax.world_model.latents import CompactLatent

Choose = Callable[[Policy, jax.Array], dict[str, jax.Array]]


def actor_of(state: DreamerState) -> Actor:
    """What acting reads of `state`."""
    return Actor({name: state.params[name] for name in ACTS}, state.moments)


def initial_carry(dreamer: Dreamer, envs: int) -> Carry:
    """What is remembered before the first step: nothing."""
    return Carry(latent=dreamer.nets.rssm.initial(envs), action=spaces.zeros(dreamer.act, envs))


def act_step(
    dreamer: Dreamer,
    choose: Choose,
    actor: Actor,
    carry: Carry,
    obs: dict[str, jax.Array],
    is_first: jax.Array,
    key: jax.Array,
) -> tuple[Carry, dict[str, jax.Array], CompactLatent | None]:
    """Updates the latent with what is seen, then chooses. Arrays are [E, ...]; key is consumed."""
    latent_key, action_key = jax.random.split(key)
    params, model = actor.params, dreamer.nets.rssm
    latent, _ = rssm.observe_step(
        model,
        {"params": params["rssm"]},
        carry.latent,
        spaces.flatten(carry.action, dreamer.act),
        dreamer.encode(params, scale_vectors(dreamer, actor.moments, obs)),
        is_first,
        jax.random.uniform(latent_key, (*is_first.shape, model.stoch)),
    )
    noise = jax.random.uniform(action_key, (*is_first.shape, action_width(dreamer.act)))
    action = choose(dreamer.policy(params, latent.features), noise)
    kept = rssm.compact(latent) if dreamer.keeps_latents else None
    return Carry(latent, action), action, kept
