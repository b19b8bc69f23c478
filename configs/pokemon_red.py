"""Pokémon Red from the user's own cartridge, with everything that the player sees and reads."""

from typing import Any

from dreamer_jax.agents.dreamer.config import Behavior, DreamerConfig, Model
from dreamer_jax.config import Config, Replay, Train


def get_config(env: Any) -> Config:
    """Episodes of 8,192 steps (55 minutes of play) at train ratio 32. Not measured yet.

    An episode of 2,048 steps that grows by 512 with each event, badge and map:
    `--set env.steps=2048 --set env.steps_per_milestone=512`.
    """
    return Config(
        env=env,
        agent=DreamerConfig(model=Model(depth=32), behavior=Behavior(horizon=500.0)),
        replay=Replay(capacity=1_000_000),
        train=Train(envs=16, steps=50_000_000, ratio=32, prefill=20_000),
    )
