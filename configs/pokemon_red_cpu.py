"""Pokémon Red on a machine without a GPU: a small model, updated early and in large steps."""

from typing import Any

from dreamer_jax.agents.dreamer.config import Behavior, DreamerConfig, Losses, Model, Optimizer
from dreamer_jax.config import Config, Replay, Train


def get_config(env: Any) -> Config:
    """Episodes of 8,192 steps (55 minutes of play). Not measured: it needs your cartridge.

    The numbers are those of `gameboy_demo`, which was measured, where the games are alike.
    """
    return Config(
        env=env,
        agent=DreamerConfig(
            model=Model(depth=4, classes=8),
            losses=Losses(free_nats=0.1, representation=0.01),
            behavior=Behavior(horizon=200.0, entropy=1e-3),
            optimizer=Optimizer(learning_rate=1e-3, warmup=100),
        ),
        replay=Replay(capacity=500_000, batch=8, length=32),
        train=Train(
            envs=8,
            steps=1_000_000,
            ratio=16,
            prefill=4_000,
            log_every=1_000,
            report_every=10_000,
            save_every=20_000,
        ),
    )
