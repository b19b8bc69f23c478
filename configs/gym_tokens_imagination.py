"""Any environment with pictures, with PPO inside of the token model; see `gym_tokens`."""

import dataclasses
from typing import Any

from configs import gym_tokens
from dreamer_jax.agents.tokens.config import IMAGINATION, TRANSFORMER, Policy
from dreamer_jax.config import Config, Replay

AGENT = dataclasses.replace(gym_tokens.AGENT, policy=Policy(learns=TRANSFORMER))


def get_config(env: Any) -> Config:
    """Dreams begin anywhere in replay, and the transformer learns from what the policy meets."""
    config = gym_tokens.get_config(env)
    return dataclasses.replace(
        config,
        agent=AGENT,
        replay=Replay(capacity=100_000, batch=64, length=4, sampler="uniform"),
        train=dataclasses.replace(
            config.train, learn=IMAGINATION, steps=100_000, ratio=16, prefill=2_000
        ),
    )
