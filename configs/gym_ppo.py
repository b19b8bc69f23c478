"""Any environment with PPO: a small network without a model."""

from typing import Any

from dreamer_jax.agents.on_policy.config import PPO, Adam
from dreamer_jax.agents.ppo.config import Model, PPOConfig
from dreamer_jax.config import Config, Replay, Train


def get_config(env: Any) -> Config:
    """Settings that many tasks share; `model.memory=gru` where one observation is not enough."""
    return Config(
        env=env,
        agent=PPOConfig(
            model=Model(depth=4, units=64),
            ppo=PPO(epochs=10, minibatches=8),
            optimizer=Adam(learning_rate=3e-4),
        ),
        replay=Replay(capacity=8 * 512, batch=8, length=256, sampler="newest"),
        train=Train(
            envs=8,
            steps=500_000,
            ratio=1,
            prefill=0,
            log_every=4_096,
            report_every=0,
            eval_every=50_000,
            eval_episodes=16,
            save_every=50_000,
        ),
    )
