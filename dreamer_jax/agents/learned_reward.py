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
from dreamer_jax.types import AnyAgent, Metrics, Obs, Refresh, Window

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

    changed = learner._replace(init=jax.jit(init), update=jax.jit(update), report=jax.jit(report))
    return agent._replace(learner=changed)


def parted(state: Any) -> tuple[Any, Any]:
    """The state of the agent itself, and the parameters of the reward."""
    params = dict(state.params)
    reward = params.pop(NAME)
    return state.replace(params=params), reward


def rewarded(
    function: RewardFunction, config: LearnedReward, params: Any, window: Window
) -> Window:
    """The window with r_t = scale · f_t + true · r_t, and f = 0 where episodes begin.

    The first step of a window has no picture before it. It is the context step, whose reward no
    loss reads.

    Args:
      params: of the function.
      window: [W, B, ...] as replay drew it.
    """
    steps = window.steps
    gained = function.rewards(params, steps.obs[function.image])
    chex.assert_shape(gained, steps.reward.shape)
    gained = jnp.where(steps.is_first, 0.0, gained)
    reward = config.scale * gained + config.true * steps.reward
    return window.replace(steps=steps.replace(reward=jax.lax.stop_gradient(reward)))
