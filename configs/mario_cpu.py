"""Super Mario Bros. on a machine without a GPU: a small model, updated early and in large steps."""

from typing import Any

from dreamer_jax.agents.dreamer.config import Behavior, DreamerConfig, Losses, Model, Optimizer
from dreamer_jax.config import Config, Replay, Train


def get_config(env: Any) -> Config:
    """Reaches the flag of 1-1 once in a while, before 150,000 steps, on one core.

    python -m dreamer_jax.main --env=mario_1_1 --size=1m --set env.max_steps=500. One run, seed 0,
    November 2026: first flag in training at 143,568 steps, the second at 151,072. Up to step
    107,472 its `behavior.entropy` was 1e-3: the policy had 6 % of its randomness left and died
    before the same two enemies, 1,480 pixels from the start. With 5e-3 it passed them within 15,000
    steps.
    """
    return Config(
        env=env,
        agent=DreamerConfig(
            model=Model(depth=4),
            losses=Losses(motion=0.3, free_nats=0.1, representation=0.01, continue_=5.0),
            behavior=Behavior(horizon=20.0, entropy=5e-3),
            optimizer=Optimizer(learning_rate=2e-3, warmup=100),
        ),
        replay=Replay(capacity=500_000, batch=8, length=32),
        train=Train(
            envs=16,
            steps=300_000,
            ratio=16,
            prefill=4_000,
            log_every=1_000,
            report_every=10_000,
            eval_every=50_000,
            eval_episodes=16,
            save_every=20_000,
        ),
    )
