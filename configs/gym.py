"""Any Gymnasium environment with a few numbers or small images to see."""

from typing import Any

from dreamer_jax.config import Config, Model, Optimizer, Replay, Train


def get_config(env: Any) -> Config:
    """A small model, updated often: steps of such environments are cheap, but not free."""
    return Config(
        env=env,
        model=Model(depth=4, classes=8),
        optimizer=Optimizer(learning_rate=3e-4, warmup=200),
        replay=Replay(capacity=500_000, batch=16, length=32),
        train=Train(
            envs=8,
            steps=100_000,
            ratio=64,
            prefill=1_000,
            log_every=1_000,
            report_every=0,
            eval_every=10_000,
            eval_episodes=16,
            save_every=20_000,
        ),
    )
