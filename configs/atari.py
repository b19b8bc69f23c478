"""Atari 2600 as in the 200M-frame benchmark: 16 environments, sticky actions, all 18 actions."""

from typing import Any

from dreamer_jax.agents.dreamer.config import DreamerConfig, Model
from dreamer_jax.config import Config, Replay, Train


def get_config(env: Any) -> Config:
    """200 million frames at train ratio 32. Not measured yet."""
    return Config(
        env=env,
        agent=DreamerConfig(model=Model(depth=64)),
        replay=Replay(capacity=1_000_000),
        train=Train(envs=16, steps=50_000_000, ratio=32),
    )
