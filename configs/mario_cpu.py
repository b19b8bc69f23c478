"""Super Mario Bros. on a machine without a GPU: a small model, updated early and in large steps."""

from typing import Any

from dreamer_jax.agents.dreamer.config import Behavior, DreamerConfig, Losses, Model, Optimizer
from dreamer_jax.config import Config, Replay, Train


def get_config(env: Any) -> Config:
    """Learns to see the stage in half an hour, and to walk on; a first flag was not seen yet.

    python -m dreamer_jax.main --env=mario_1_1 --set env.max_steps=250, half an hour on one core:
    64,208 steps, 3,760 updates. The background is right in the pictures, Mario is not in them yet.
    Furthest x 833 ± 172 over 48 sampled episodes, 595 ± 228 with random actions (seed 0, November
    2026). With a horizon of 50 and whole episodes, training reached 841 and random actions 754.
    """
    return Config(
        env=env,
        agent=DreamerConfig(
            model=Model(depth=4),
            losses=Losses(free_nats=0.1, representation=0.01, continue_=5.0),
            behavior=Behavior(horizon=20.0, entropy=1e-3),
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
