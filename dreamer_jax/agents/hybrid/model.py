"""Dreaming with the hybrid: the world model is Dreamer's, policy and critic are PPO's."""

from functools import partial

import jax
import jax.numpy as jnp

from dreamer_jax.agents.dreamer.model import model_of as dreamer_model
from dreamer_jax.agents.dreamer.model import read_with
from dreamer_jax.agents.dreamer.networks import Dreamer
from dreamer_jax.agents.dreamer.reports import report as report_of_dreamer
from dreamer_jax.agents.dreamer.state import DreamerCarry, DreamerState
from dreamer_jax.agents.hybrid.world_model import dreamers
from dreamer_jax.agents.on_policy.learning import report as report_of_ppo
from dreamer_jax.agents.on_policy.networks import OnPolicy
from dreamer_jax.agents.on_policy.state import OnPolicyState
from dreamer_jax.behavior.actor_critic import ReturnRange
from dreamer_jax.types import Action, Explicit, Metrics, Model, Obs, Readout, Window

Policy = dict[str, dict[str, jax.Array]]


def model_of(dreamer: Dreamer, ppo: OnPolicy) -> Model[OnPolicyState, DreamerCarry]:
    """The world model of the agent, each function compiled when it is first called."""
    theirs = dreamer_model(dreamer)
    explicit = theirs.explicit
    assert explicit is not None

    def see(
        state: OnPolicyState, carry: DreamerCarry, obs: Obs, is_first: jax.Array, key: jax.Array
    ) -> DreamerCarry:
        return theirs.see(as_dreamer(state), carry, obs, is_first, key)

    def see_with(
        state: OnPolicyState, carry: DreamerCarry, obs: Obs, is_first: jax.Array, given: jax.Array
    ) -> DreamerCarry:
        return explicit.see(as_dreamer(state), carry, obs, is_first, given)

    def choose(state: OnPolicyState, carry: DreamerCarry, key: jax.Array) -> Action:
        return theirs.choose(as_dreamer(state), carry, key)

    def greedy(state: OnPolicyState, carry: DreamerCarry, key: jax.Array) -> Action:
        return theirs.greedy(as_dreamer(state), carry, key)

    def imagine(state: OnPolicyState, carry: DreamerCarry, key: jax.Array) -> DreamerCarry:
        return theirs.imagine(as_dreamer(state), carry, key)

    def imagine_with(state: OnPolicyState, carry: DreamerCarry, given: jax.Array) -> DreamerCarry:
        return explicit.imagine(as_dreamer(state), carry, given)

    def policy(state: OnPolicyState, carry: DreamerCarry) -> Policy:
        return explicit.policy(as_dreamer(state), carry)

    return Model(
        see=see,
        choose=choose,
        greedy=greedy,
        took=theirs.took,
        imagine=imagine,
        read=jax.jit(partial(read, dreamer, ppo)),
        explicit=Explicit(noise=explicit.noise, see=see_with, imagine=imagine_with, policy=policy),
    )


def as_dreamer(state: OnPolicyState) -> DreamerState:
    """The state as the world model's functions take it; they read parameters and moments."""
    nothing = jnp.zeros((), jnp.float32)
    return DreamerState(
        params=state.params,
        slow_value=None,
        optimizer=(),
        return_range=ReturnRange(low=nothing, high=nothing),
        moments=state.moments,
        updates=state.updates,
    )


def read(dreamer: Dreamer, ppo: OnPolicy, state: OnPolicyState, carry: DreamerCarry) -> Readout:
    """Decodes the latents [E, ...] of the carry, with the means of all heads."""
    value = state.return_scale.denormalize(ppo.value(state.params, carry.latent.features))
    return read_with(dreamer, as_dreamer(state), carry, value)


def report(
    dreamer: Dreamer, ppo: OnPolicy, state: OnPolicyState, window: Window, key: jax.Array
) -> tuple[Metrics, Obs]:
    """What the world model expects of a rollout, and what the critic knew of it."""
    metrics, views = report_of_dreamer(
        dreamer, False, as_dreamer(state), dreamers(dreamer, window), key
    )
    ours, _ = report_of_ppo(ppo, state, window, key)
    return metrics | ours, views
