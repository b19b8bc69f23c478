"""Atari 2600 on a machine without a GPU: a small model, updated early, often and in large steps."""

import dataclasses
from typing import Any

from dreamer_jax.agents.dreamer.config import Behavior, DreamerConfig, Losses, Model, Optimizer
from dreamer_jax.config import Config, Replay, Train


def get_config(env: Any) -> Config:
    """The actions that matter, none of them sticky, as in `atari100k`.

    python -m dreamer_jax.main --env=atari_pong, 100,000 steps on one core, which takes size nano:
    8.6 ± 11.1 in 48 greedy episodes after 52 minutes; random actions -20.0. Breakout, as many
    steps, 55 minutes: 2.9 ± 3.9; random actions 1.3 (seed 0, November 2026).

    Without `losses.motion`, at size 1m: Boxing, 61.2 ± 14.2 in 48 greedy episodes after 114,776
    steps, 84 minutes on one core; random actions 0.6. With batches of 16, `losses.free_nats=0.1`
    and `losses.representation=0.01`: 88.8 ± 7.9 after 110,288 steps, 70 minutes on one core.
    """
    return Config(
        env=dataclasses.replace(env, sticky=0.0, full_actions=False),
        agent=DreamerConfig(
            model=Model(depth=4, classes=8),
            losses=Losses(motion=0.1),
            behavior=Behavior(horizon=100.0, entropy=1e-3),
            optimizer=Optimizer(learning_rate=1e-3, warmup=100),
        ),
        replay=Replay(capacity=500_000, batch=8, length=32),
        train=Train(
            envs=8,
            steps=500_000,
            ratio=32,
            log_every=1_000,
            report_every=10_000,
            save_every=20_000,
        ),
    )
