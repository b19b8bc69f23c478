"""Super Mario Bros.: one stage, or the whole game; 16 environments."""

from typing import Any

from dreamer_jax.agents.dreamer.config import DreamerConfig, Model, Optimizer
from dreamer_jax.config import Config, Replay, Train


def get_config(env: Any) -> Config:
    """A million steps at train ratio 64, with a higher learning rate than that of large models.

    python -m dreamer_jax.main --env=mario_1_1. Not measured yet.
    """
    return Config(
        env=env,
        agent=DreamerConfig(model=Model(depth=16), optimizer=Optimizer(learning_rate=1e-4)),
        replay=Replay(capacity=250_000),
        train=Train(
            envs=16,
            steps=1_000_000,
            ratio=64,
            eval_every=50_000,
            eval_episodes=16,
        ),
    )
