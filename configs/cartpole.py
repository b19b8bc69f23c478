"""CartPole-v1 from its four numbers."""

from typing import Any

from dreamer_jax.config import Behavior, Config, Losses, Model, Optimizer, Replay, Train


def get_config(env: Any) -> Config:
    """Many cheap updates of a tiny model."""
    return Config(
        env=env,
        model=Model(depth=2, stoch=16, classes=8, units=64, hidden=32, deter=128),
        optimizer=Optimizer(learning_rate=5e-4, warmup=100),
        replay=Replay(capacity=100_000, batch=16, length=32),
        train=Train(
            envs=16,
            steps=60_000,
            ratio=32,
            prefill=1_000,
            log_every=1_000,
            report_every=0,
            eval_every=5_000,
            eval_episodes=32,
            save_every=30_000,
        ),
    )
