"""Atari 2600 with PPO: the usual number of epochs, and the actions that matter."""

import dataclasses
from typing import Any

from dreamer_jax.agents.on_policy.config import PPO, Adam
from dreamer_jax.agents.ppo.config import Model, PPOConfig
from dreamer_jax.config import Config, Replay, Train


def get_config(env: Any) -> Config:
    """A network that two cores can train; `--size=12m` is about as wide as that of Mnih et al.

    One image does not tell where things move, so there is a memory. Not measured yet.
    """
    return Config(
        env=dataclasses.replace(env, sticky=0.0, full_actions=False),
        agent=PPOConfig(
            model=Model(depth=4, memory="gru"),
            ppo=PPO(epochs=4, minibatches=4, clip=0.1, clip_decay=True, entropy=0.01),
            optimizer=Adam(learning_rate=2.5e-4, decay="linear"),
        ),
        replay=Replay(capacity=8 * 256, batch=8, length=128, sampler="newest"),
        train=Train(
            envs=8,
            steps=10_000_000,
            ratio=1,
            prefill=0,
            log_every=10_000,
            report_every=0,
            eval_every=0,
            save_every=100_000,
        ),
    )
