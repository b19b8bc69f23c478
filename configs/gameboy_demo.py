"""The project's own Game Boy cartridge, up to the gate that opens for who has read the note."""

import dataclasses
from typing import Any

from dreamer_jax.config import Config, Model, Optimizer, Replay, Train


def get_config(env: Any) -> Config:
    """Short episodes that end at the gate; `--set env.goal=the_end` is the whole game.

    Not measured yet.
    """
    return Config(
        env=dataclasses.replace(env, goal="gate_open", steps=256),
        model=Model(depth=2, classes=8),
        optimizer=Optimizer(learning_rate=4e-4, warmup=100),
        replay=Replay(capacity=50_000, batch=8, length=32),
        train=Train(
            envs=8,
            steps=40_000,
            ratio=16,
            prefill=2_000,
            log_every=1_000,
            report_every=10_000,
            eval_every=10_000,
            eval_episodes=32,
            save_every=10_000,
        ),
    )
