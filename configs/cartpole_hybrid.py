"""CartPole-v1 with PPO on the latents of a world model, which learns along."""

from typing import Any

from configs import cartpole
from dreamer_jax.agents.dreamer.config import Optimizer
from dreamer_jax.agents.hybrid.config import Heads, HybridConfig, WorldModel
from dreamer_jax.agents.on_policy.config import PPO, Adam
from dreamer_jax.config import Config, Replay, Train


def get_config(env: Any) -> Config:
    """The world model of the preset `cartpole`, so that runs of it can lend theirs."""
    dreamer: Any = cartpole.get_config(env).agent
    return Config(
        env=env,
        agent=HybridConfig(
            model=dreamer.model,
            losses=dreamer.losses,
            world_model=WorldModel(epochs=4, minibatches=1),
            world_optimizer=Optimizer(learning_rate=5e-4, warmup=100),
            heads=Heads(units=64, layers=2),
            ppo=PPO(epochs=10, minibatches=2, discount=0.98, lambda_=0.8),
            optimizer=Adam(learning_rate=1e-3),
        ),
        replay=Replay(capacity=8 * 64, batch=8, length=32, sampler="newest"),
        train=Train(
            envs=8,
            steps=100_000,
            ratio=1,
            prefill=0,
            log_every=2_000,
            report_every=20_000,
            eval_every=10_000,
            eval_episodes=16,
            save_every=50_000,
        ),
    )
