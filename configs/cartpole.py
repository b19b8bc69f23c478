"""CartPole-v1 from its four numbers: learns to balance, and stays balanced."""

from typing import Any

from dreamer_jax.agents.dreamer.config import DreamerConfig, Losses, Model, Optimizer
from dreamer_jax.config import Config, Replay, Train


def get_config(env: Any) -> Config:
    """Many cheap updates of a tiny model.

    Four small numbers cost less than one free nat, so a latent that forgets the position of the
    cart is cheaper than one that remembers it. Three settings make remembering worthwhile: vectors
    are standardized, their loss is that of a normal of deviation 0.13, and a tenth of a nat is free
    (`docs/results.md`).

    python -m dreamer_jax.main --env=cartpole: 40,000 steps, 2,437 updates, 4 to 7 minutes on one
    core. Reaches 500 of 500 in every one of 100 greedy episodes (seeds 0 to 4, November 2026).
    """
    return Config(
        env=env,
        agent=DreamerConfig(
            model=Model(
                depth=2, deter=128, hidden=32, stoch=16, classes=8, units=64, vectors="standardize"
            ),
            losses=Losses(vector=30.0, free_nats=0.1),
            optimizer=Optimizer(learning_rate=5e-4, warmup=100),
        ),
        replay=Replay(capacity=100_000, batch=16, length=32),
        train=Train(
            envs=16,
            steps=40_000,
            ratio=32,
            prefill=1_000,
            log_every=1_000,
            report_every=4_000,
            eval_every=2_500,
            eval_episodes=32,
            save_every=20_000,
        ),
    )
