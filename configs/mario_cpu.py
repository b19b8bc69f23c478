"""Super Mario Bros. on a machine without a GPU: a small model, updated early and in large steps."""

from typing import Any

from dreamer_jax.agents.dreamer.config import Behavior, DreamerConfig, Losses, Model, Optimizer
from dreamer_jax.config import Config, Replay, Train


def get_config(env: Any) -> Config:
    """Reaches the flag of 1-1 in some episodes, but does not keep to it.

    python -m dreamer_jax.main --env=mario_1_1. One run on one core, seed 0, November 2026: first
    flag in training after 27 minutes, at 59,872 steps; 16 flags in the 150 episodes of steps 90,000
    to 120,000; 2 in the 147 of 120,000 to 150,000. After 100,000 steps, the sampled policy reached
    it in 3 of 100 episodes, the greedy one in none. docs/small_things.md has what happened then.
    """
    return Config(
        env=env,
        agent=DreamerConfig(
            model=Model(depth=4),
            losses=Losses(motion=0.3, free_nats=0.1, representation=0.01, continue_=5.0),
            behavior=Behavior(horizon=20.0, entropy=3e-3),
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
