"""The project's own Game Boy cartridge, up to the gate that opens for who has read the note."""

import dataclasses
from typing import Any

from dreamer_jax.config import Behavior, Config, Losses, Model, Optimizer, Replay, Train


def get_config(env: Any) -> Config:
    """Short episodes that end at the gate; `--set env.goal=the_end` is the whole game.

    Only the story is rewarded: whoever is paid for walking around does not risk a wrong answer,
    which ends the episode. What a word will do at the gate is half a nat: the prior would not have
    to know it with one free nat. The events are a few bits beside thousands of pixels. Not measured
    yet.
    """
    rewards = dataclasses.replace(env.rewards, explored=0.0)
    return Config(
        env=dataclasses.replace(env, goal="gate_open", steps=128, size=48, rewards=rewards),
        model=Model(depth=2, classes=8, text_patch=10),
        losses=Losses(free_nats=0.1, keys="screen=0.2 visited=0.2 events=10"),
        behavior=Behavior(horizon=100.0, entropy=3e-3),
        optimizer=Optimizer(learning_rate=1e-3, warmup=100),
        replay=Replay(capacity=50_000, batch=8, length=32),
        train=Train(
            envs=8,
            steps=80_000,
            ratio=16,
            prefill=2_000,
            log_every=1_000,
            report_every=10_000,
            eval_every=10_000,
            eval_episodes=32,
            save_every=10_000,
        ),
    )
