"""The project's own Game Boy cartridge to its ending, with PPO on tokens of its screen."""

import dataclasses
from typing import Any

from configs import gym_tokens
from dreamer_jax.agents.tokens.config import Policy
from dreamer_jax.config import Config

PPO = dataclasses.replace(gym_tokens.AGENT.ppo, entropy=0.02, time_penalty=0.01)


def get_config(env: Any) -> Config:
    """The whole game as `experiments/record_cartridge.py` records it with --size=64.

    Three of four guesses at the gate end the episode, and waiting would cost nothing: without a
    time penalty the policy learns not to answer. With `reward.logdir`, whose unit is the progress
    of one step, take ppo.time_penalty=0.1. Half of the episodes begin at milestones of earlier
    ones, so that there is experience of what lies behind the gate.
    """
    config = gym_tokens.get_config(env)
    return dataclasses.replace(
        config,
        env=dataclasses.replace(
            env, size=64, steps=512, buttons="a b up down left right", curriculum=0.5
        ),
        agent=dataclasses.replace(gym_tokens.AGENT, policy=Policy(image="screen"), ppo=PPO),
        train=dataclasses.replace(config.train, steps=150_000),
    )
