"""Plays whole episodes with a fixed policy and reports their scores."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np

from dreamer_jax.types import Agent, AgentState

Scores = np.ndarray  # [episodes] float64
LIMIT = 30_000  # steps of an environment for each of its episodes; half an hour of Atari is 27,000


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

    def play(
        self, state: AgentState, episodes: int, stopped: Callable[[], bool] = lambda: False
    ) -> Scores:
        """Scores of the first episodes of each environment, always the same ones.

        Which episodes count does not depend on how long they are: taking whichever end first would
        count short ones too often. An episode without an end counts as far as LIMIT lets it come.
        Returns no scores if `stopped` says so in between.
        """
        envs = self.env.num_envs
        quota = episodes // envs + (np.arange(envs) < episodes % envs)
        scores: list[list[float]] = [[] for _ in range(envs)]
        running = np.zeros(envs)
        where = jax.tree.leaves(state)[0].sharding  # parameters may be copied to many devices
        carry = jax.device_put(self.begin(), where)
        seen, index = self.env.reset(), 0
        while any(len(row) < n for row, n in zip(scores, quota, strict=True)):
            if stopped():
                return np.zeros(0)
            if index >= LIMIT * quota.max():
                for i in np.flatnonzero(~seen.is_last):
                    scores[i].append(float(running[i]))
                break
            inputs = jax.device_put((seen.obs, seen.is_first, np.int32(index)), where)
            carry, action = self.step(state, carry, *inputs)
            seen, index = self.env.step(jax.device_get(action)), index + 1
            running = np.where(seen.is_first, 0.0, running + seen.reward)
            for i in np.flatnonzero(seen.is_last):
                scores[i].append(float(running[i]))
        return np.array([x for row, n in zip(scores, quota, strict=True) for x in row[:n]])


def summary(scores: Scores) -> dict[str, float]:
    """Mean, standard deviation, smallest and largest score; nothing of no scores."""
    if not scores.size:
        return {}
    return {
        "mean": float(scores.mean()),
        "std": float(scores.std()),
        "min": float(scores.min()),
        "max": float(scores.max()),
    }
