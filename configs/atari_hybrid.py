"""Atari 2600 with PPO on the latents of a world model, which learns along."""

from typing import Any

from configs import atari_cpu
from dreamer_jax.agents.dreamer.config import Optimizer
from dreamer_jax.agents.hybrid.config import Heads, HybridConfig
from dreamer_jax.agents.on_policy.config import PPO, Adam
from dreamer_jax.config import Config, Replay, Train


def get_config(env: Any) -> Config:
    """Game and world model of the preset `atari_cpu`. Not measured yet."""
    theirs = atari_cpu.get_config(env)
    dreamer: Any = theirs.agent
    return Config(
        env=theirs.env,
        agent=HybridConfig(
            model=dreamer.model,
            losses=dreamer.losses,
            world_optimizer=Optimizer(learning_rate=1e-3, warmup=100),
            heads=Heads(units=512, layers=2),
            ppo=PPO(epochs=4, minibatches=4, entropy=0.01),
            optimizer=Adam(learning_rate=2.5e-4),
        ),
        replay=Replay(capacity=8 * 128, batch=8, length=64, sampler="newest"),
        train=Train(
            envs=8,
            steps=500_000,
            ratio=1,
            prefill=0,
            log_every=4_096,
            report_every=20_000,
            save_every=20_000,
        ),
    )
