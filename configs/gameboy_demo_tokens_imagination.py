"""The project's own Game Boy cartridge, with PPO inside of the token model."""

import dataclasses
from typing import Any

from configs import gameboy_demo_tokens, gym_tokens_imagination
from dreamer_jax.agents.tokens.config import TRANSFORMER, Policy
from dreamer_jax.config import Config


def get_config(env: Any) -> Config:
    """The game of `gameboy_demo_tokens`, and the learning of `gym_tokens_imagination`.

    An update dreams 960 steps and takes 6 to 12 seconds of a CPU core.
    """
    config = gym_tokens_imagination.get_config(gameboy_demo_tokens.get_config(env).env)
    policy = Policy(image="screen", learns=TRANSFORMER)
    agent = dataclasses.replace(
        gym_tokens_imagination.AGENT, policy=policy, ppo=gameboy_demo_tokens.PPO
    )
    train = dataclasses.replace(config.train, steps=15_000, ratio=2)
    return dataclasses.replace(config, agent=agent, train=train)
