"""Dreaming from one moment to the next, and reading what the model says of a moment."""

from functools import partial

import jax
import jax.numpy as jnp

from dreamer_jax import spaces
from dreamer_jax.agents.dreamer.acting import chosen, see, see_with
from dreamer_jax.agents.dreamer.networks import Dreamer, unscaled_vectors
from dreamer_jax.agents.dreamer.state import DreamerCarry, DreamerState
from dreamer_jax.nn.heads import mode, parameters, sample
from dreamer_jax.types import Action, Explicit, Model, Readout
from dreamer_jax.world_model import rssm
from dreamer_jax.world_model.decoders import most_likely


def model_of(dreamer: Dreamer) -> Model[DreamerState, DreamerCarry]:
    """The world model of the agent, each function compiled when it is first called."""
    return Model(
        see=jax.jit(partial(see, dreamer)),
        choose=jax.jit(partial(chosen, dreamer, sample)),
        greedy=jax.jit(partial(chosen, dreamer, mode)),
        took=took,
        imagine=jax.jit(partial(imagine, dreamer)),
        read=jax.jit(partial(read, dreamer)),
        explicit=Explicit(
            noise=dreamer.nets.rssm.stoch,
            see=partial(see_with, dreamer),
            imagine=partial(imagine_with, dreamer),
            policy=partial(policy, dreamer),
        ),
    )


def took(carry: DreamerCarry, action: Action) -> DreamerCarry:
    """The same latent, at which `action` [E, n] was chosen."""
    return carry.replace(action=action)


def imagine(
    dreamer: Dreamer, state: DreamerState, carry: DreamerCarry, key: jax.Array
) -> DreamerCarry:
    """The next latent [E, ...], drawn from the prior; the key is consumed. (§ Actor learning)"""
    uniform = jax.random.uniform(key, carry.latent.stoch.shape[:-1])
    return imagine_with(dreamer, state, carry, uniform)


def imagine_with(
    dreamer: Dreamer, state: DreamerState, carry: DreamerCarry, uniform: jax.Array
) -> DreamerCarry:
    """`imagine` with the numbers [E, S] in [0, 1) that the latent is drawn with."""
    model = dreamer.nets.rssm
    latent = rssm.imagine_step(
        model,
        {"params": state.params["rssm"]},
        carry.latent,
        spaces.flatten(carry.action, dreamer.act),
        uniform=uniform,
    )
    return carry.replace(latent=latent)


def read(dreamer: Dreamer, state: DreamerState, carry: DreamerCarry) -> Readout:
    """Decodes the latents [E, ...] of the carry, with the means of all heads."""
    value = dreamer.value(state.params["value"], carry.latent.features).mean()
    return read_with(dreamer, state, carry, value.astype(jnp.float32))


def read_with(
    dreamer: Dreamer, state: DreamerState, carry: DreamerCarry, value: jax.Array
) -> Readout:
    """As `read`, with the returns [E] that another critic expects."""
    params, features = state.params, carry.latent.features
    outputs = dreamer.decode(params, carry.latent)
    obs = {key: most_likely(x, key=key, spaces=dreamer.obs) for key, x in outputs.items()}
    return Readout(
        obs=unscaled_vectors(dreamer, state.moments, obs),
        reward=dreamer.reward(params, features).mean().astype(jnp.float32),
        continue_=dreamer.continue_(params, features).probability.astype(jnp.float32),
        value=value,
    )


def policy(
    dreamer: Dreamer, state: DreamerState, carry: DreamerCarry
) -> dict[str, dict[str, jax.Array]]:
    """The parameters of the policy at the latents [E, ...] of the carry, see `types.Explicit`."""
    return parameters(dreamer.policy(state.params, carry.latent.features))
