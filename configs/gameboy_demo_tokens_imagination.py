"""The project's own Game Boy cartridge, with PPO inside of the token model."""

import dataclasses
from typing import Any

from configs import gameboy_demo_tokens, gym_tokens_imagination
from dreamer_jax.agents.tokens.config import TRANSFORMER, Policy
from dreamer_jax.config import Config


def get_config(env: Any) -> Config:
    """The game of `gameboy_demo_tokens`, and the learning of `gym_tokens_imagination`."""
    config = gym_tokens_imagination.get_config(gameboy_demo_tokens.get_config(env).env)
    policy = Policy(image="screen", learns=TRANSFORMER)
    agent = dataclasses.replace(gym_tokens_imagination.AGENT, policy=policy)
    return dataclasses.replace(config, agent=agent)
