"""Atari 2600 with 100,000 actions: 1 environment, the actions that matter, none of them sticky."""

import dataclasses
from typing import Any

from dreamer_jax.agents.dreamer.config import DreamerConfig, Model
from dreamer_jax.config import Config, Replay, Train


def get_config(env: Any) -> Config:
    """400 thousand frames at train ratio 128: 12,364 updates. Not measured yet."""
    return Config(
        env=dataclasses.replace(env, sticky=0.0, full_actions=False),
        agent=DreamerConfig(model=Model(depth=64)),
        replay=Replay(capacity=100_000),
        train=Train(
            envs=1,
            steps=100_000,
            ratio=128,
            log_every=1_000,
            report_every=10_000,
            save_every=10_000,
        ),
    )
