"""The project's own Game Boy cartridge to its ending, with PPO on tokens of its screen."""

import dataclasses
from typing import Any

from configs import gym_tokens
from dreamer_jax.agents.tokens.config import Policy
from dreamer_jax.config import Config


def get_config(env: Any) -> Config:
    """The whole game as `experiments/record_cartridge.py` records it with --size=64."""
    return dataclasses.replace(
        gym_tokens.get_config(env),
        env=dataclasses.replace(env, size=64, steps=512, buttons="a b up down left right"),
        agent=dataclasses.replace(gym_tokens.AGENT, policy=Policy(image="screen")),
    )
