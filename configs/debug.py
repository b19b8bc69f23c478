"""Runs everything in seconds instead of hours, and learns nothing."""

from typing import Any

from dreamer_jax.agents.dreamer.config import Behavior, DreamerConfig, Model
from dreamer_jax.config import Config, Replay, Train


def get_config(env: Any) -> Config:
    """The smallest of everything; by steps alone, so that its record is always the same."""
    return Config(
        env=env,
        agent=DreamerConfig(
            model=Model(depth=2, stoch=4, classes=4), behavior=Behavior(imagination=5)
        ),
        replay=Replay(capacity=2_000, batch=4, length=8),
        train=Train(
            envs=2,
            steps=200,
            ratio=8,
            prefill=40,
            log_every=40,
            log_seconds=0,
            report_every=100,
            report_seconds=0,
            eval_every=100,
            eval_episodes=2,
            save_every=100,
        ),
    )
