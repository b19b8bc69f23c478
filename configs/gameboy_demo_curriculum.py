"""The project's own Game Boy cartridge to its ending; half of the episodes begin at milestones."""

import dataclasses
from typing import Any

from configs import gameboy_demo
from configs.gameboy_demo import AGENT
from dreamer_jax.config import Config


def get_config(env: Any) -> Config:
    """The preset `gameboy_demo` for the whole game with all buttons. Not measured yet."""
    config = gameboy_demo.get_config(env)
    rewards = dataclasses.replace(config.env.rewards, explored=env.rewards.explored)
    return dataclasses.replace(
        config,
        env=dataclasses.replace(env, size=48, steps=512, rewards=rewards, curriculum=0.5),
        agent=dataclasses.replace(
            AGENT, behavior=dataclasses.replace(AGENT.behavior, horizon=100.0)
        ),
    )
