"""The project's own Game Boy cartridge, with PPO inside of the token model."""

import dataclasses
from typing import Any

from configs import gameboy_demo_tokens, gym_tokens_imagination
from dreamer_jax.config import Config


def get_config(env: Any) -> Config:
    """The game of `gameboy_demo_tokens`, and the learning of `gym_tokens_imagination`."""
    config = gym_tokens_imagination.get_config(gameboy_demo_tokens.get_config(env).env)
    policy = dataclasses.replace(config.agent.policy, image="screen")
    return dataclasses.replace(config, agent=dataclasses.replace(config.agent, policy=policy))
