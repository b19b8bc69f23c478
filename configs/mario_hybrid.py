"""Super Mario Bros. with PPO on the latents of a world model, which learns along."""

from typing import Any

from configs import mario_cpu
from dreamer_jax.agents.dreamer.config import Optimizer
from dreamer_jax.agents.hybrid.config import Heads, HybridConfig
from dreamer_jax.agents.on_policy.config import PPO, Adam
from dreamer_jax.config import Config, Replay, Train


def get_config(env: Any) -> Config:
    """The world model of the preset `mario_cpu`. Not measured yet."""
    dreamer: Any = mario_cpu.get_config(env).agent
    return Config(
        env=env,
        agent=HybridConfig(
            model=dreamer.model,
            losses=dreamer.losses,
            world_optimizer=Optimizer(learning_rate=2e-3, warmup=100),
            heads=Heads(units=512, layers=2),
            ppo=PPO(epochs=4, minibatches=4, entropy=0.01),
            optimizer=Adam(learning_rate=3e-4),
        ),
        replay=Replay(capacity=16 * 128, batch=16, length=64, sampler="newest"),
        train=Train(
            envs=16,
            steps=500_000,
            ratio=1,
            prefill=0,
            log_every=4_096,
            report_every=20_000,
            eval_every=50_000,
            eval_episodes=16,
            save_every=20_000,
        ),
    )
