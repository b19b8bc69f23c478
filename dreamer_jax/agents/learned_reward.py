"""Any agent, learning from rewards that were themselves learned from recordings.

The parameters of the reward lie in the state of the agent, under `params`, so that a saved agent is
whole. They never change.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp

from dreamer_jax.config import LearnedReward
from dreamer_jax.types import AnyAgent, Metrics, Obs, Refresh, Step, Window

NAME = "learned_reward"  # of its parameters among those of the agent


class RewardFunction(NamedTuple):
    """How much each step has gained, from its pictures."""

    image: str  # key of the observation that it sees
    init: Callable[[jax.Array], Any]  # (key) -> parameters
    rewards: Callable[[Any, jax.Array], jax.Array]
    """(parameters, successive images [T, *, h, w, c]) -> [T, *] float32, 0 for the first one"""


def with_learned_reward(
    agent: AnyAgent, function: RewardFunction, config: LearnedReward
) -> AnyAgent:
    """The agent, whose updates see learned rewards. Acting, dreaming and reading stay the same.

    Rewards are computed for each batch, from its pictures, so replay keeps those of the
    environment: scores stay scores.

    Args:
      agent: has a state with a dictionary `params`.
      function: of the reward.
      config: how learned and true rewards are mixed.
    """
    learner = agent.learner

    def init(key: jax.Array) -> Any:
        state = learner.init(key)
        reward = function.init(jax.random.fold_in(key, 1))
        return state.replace(params={**state.params, NAME: reward})

    def update(state: Any, window: Window, key: jax.Array) -> tuple[Any, Refresh, Metrics]:
        inner, reward = parted(state)
        window = rewarded(function, config, reward, window)
        inner, fresh, metrics = learner.update(inner, window, key)
        state = inner.replace(params={**inner.params, NAME: reward})
        metrics |= {f"{NAME}/mean": window.steps.reward[1:].mean()}
        return state, fresh, metrics

    def report(state: Any, window: Window, key: jax.Array) -> tuple[Metrics, Obs]:
        inner, reward = parted(state)
        return learner.report(inner, rewarded(function, config, reward, window), key)

    def rewards(state: Any, steps: Step) -> jax.Array:
        return mixed(function, config, state.params[NAME], steps)

    changed = learner._replace(init=jax.jit(init), update=jax.jit(update), report=jax.jit(report))
    model = agent.model and agent.model._replace(rewards=jax.jit(rewards))
    return agent._replace(learner=changed, model=model)


def parted(state: Any) -> tuple[Any, Any]:
    """The state of the agent itself, and the parameters of the reward."""
    params = dict(state.params)
    reward = params.pop(NAME)
    return state.replace(params=params), reward


def rewarded(
    function: RewardFunction, config: LearnedReward, params: Any, window: Window
) -> Window:
    """The window [W, B, ...], as replay drew it, with other rewards.

    The first step has no picture before it. It is the context step, whose reward no loss reads.
    """
    reward = jax.lax.stop_gradient(mixed(function, config, params, window.steps))
    return window.replace(steps=window.steps.replace(reward=reward))


def mixed(function: RewardFunction, config: LearnedReward, params: Any, steps: Step) -> jax.Array:
    """r_t = scale · f_t + true · r_t, and f = 0 where episodes begin and at the first step.

    Args:
      function: f.
      config: the scales.
      params: of the function.
      steps: [T, B, ...], successive.

    Returns:
      [T, B] float32.
    """
    gained = function.rewards(params, steps.obs[function.image])
    chex.assert_shape(gained, steps.reward.shape)
    return config.scale * jnp.where(steps.is_first, 0.0, gained) + config.true * steps.reward
