"""Any environment with PPO on the latents of a small world model, which learns along."""

from typing import Any

from configs import gym
from dreamer_jax.agents.dreamer.config import Optimizer
from dreamer_jax.agents.hybrid.config import Heads, HybridConfig
from dreamer_jax.agents.on_policy.config import PPO, Adam
from dreamer_jax.config import Config, Replay, Train


def get_config(env: Any) -> Config:
    """The world model of the preset `gym`, so that runs of it can lend theirs. Not measured yet."""
    dreamer: Any = gym.get_config(env).agent
    return Config(
        env=env,
        agent=HybridConfig(
            model=dreamer.model,
            losses=dreamer.losses,
            world_optimizer=Optimizer(learning_rate=5e-4, warmup=100),
            heads=Heads(units=128, layers=2),
            ppo=PPO(epochs=10, minibatches=8),
            optimizer=Adam(learning_rate=3e-4),
        ),
        replay=Replay(capacity=8 * 128, batch=8, length=64, sampler="newest"),
        train=Train(
            envs=8,
            steps=200_000,
            ratio=1,
            prefill=0,
            log_every=4_096,
            report_every=20_000,
            eval_every=20_000,
            eval_episodes=16,
            save_every=50_000,
        ),
    )
