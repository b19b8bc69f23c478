"""Plays whole episodes with a fixed policy and reports their scores."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np

from dreamer_jax.types import Agent, AgentState

Scores = np.ndarray  # [episodes] float64


class Player:
    """A compiled policy and its environments, ready to be asked for scores again and again."""

    def __init__(self, agent: Agent, policy: Callable[..., Any], env: Any, seed: int) -> None:
        """`policy` is one of the agent's own: `agent.policy` or `agent.greedy`."""
        self.env = env
        self.begin = jax.jit(partial(agent.carry, env.num_envs))
        self.step = jax.jit(
            lambda state, carry, obs, is_first, index: policy(
                state, carry, obs, is_first, jax.random.fold_in(jax.random.key(seed), index)
            )[:2]
        )

    def play(self, state: AgentState, episodes: int, first: int) -> Scores:
        """Scores of `episodes` episodes, numbers `first`, `first` + 1, ... of each environment.

        Every environment plays the same number of episodes: taking whichever end first would count
        short episodes too often.
        """
        envs = self.env.num_envs
        quota = -(-episodes // envs)
        scores: list[list[float]] = [[] for _ in range(envs)]
        running = np.zeros(envs)
        where = jax.tree.leaves(state)[0].sharding  # parameters may be copied to many devices
        carry = jax.device_put(self.begin(), where)
        seen, index = self.env.reset(np.full(envs, first, np.int64)), 0
        while min(map(len, scores)) < quota:
            inputs = jax.device_put((seen.obs, seen.is_first, np.int32(index)), where)
            carry, action = self.step(state, carry, *inputs)
            seen, index = self.env.step(jax.device_get(action)), index + 1
            running = np.where(seen.is_first, 0.0, running + seen.reward)
            for i in np.flatnonzero(seen.is_last):
                scores[i].append(float(running[i]))
        return np.array([score for row in scores for score in row[:quota]][:episodes])


def summary(scores: Scores) -> dict[str, float]:
    """Mean, standard deviation, smallest and largest score."""
    return {
        "mean": float(scores.mean()),
        "std": float(scores.std()),
        "min": float(scores.min()),
        "max": float(scores.max()),
    }
