"""Super Mario Bros. on a machine without a GPU: a small model, updated early and in large steps."""

from typing import Any

from dreamer_jax.agents.dreamer.config import Behavior, DreamerConfig, Losses, Model, Optimizer
from dreamer_jax.config import Config, Replay, Train


def get_config(env: Any) -> Config:
    """One stage, or the whole game."""
    return Config(
        env=env,
        agent=DreamerConfig(
            model=Model(depth=4, classes=8),
            losses=Losses(free_nats=0.1, representation=0.01, continue_=5.0),
            behavior=Behavior(horizon=100.0, entropy=1e-3),
            optimizer=Optimizer(learning_rate=1e-3, warmup=100),
        ),
        replay=Replay(capacity=500_000, batch=16, length=32),
        train=Train(
            envs=8,
            steps=300_000,
            ratio=32,
            prefill=4_000,
            log_every=1_000,
            report_every=10_000,
            eval_every=50_000,
            eval_episodes=16,
            save_every=20_000,
        ),
    )
