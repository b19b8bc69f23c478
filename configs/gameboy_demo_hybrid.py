"""The project's own Game Boy cartridge, up to the gate: PPO on the latents of a world model."""

from typing import Any

from configs import gameboy_demo
from dreamer_jax.agents.dreamer.config import Optimizer
from dreamer_jax.agents.hybrid.config import Heads, HybridConfig, WorldModel
from dreamer_jax.agents.on_policy.config import PPO, Adam
from dreamer_jax.config import Config, Replay, Train


def get_config(env: Any) -> Config:
    """Game and world model of the preset `gameboy_demo`, so that runs of it can lend theirs."""
    theirs = gameboy_demo.get_config(env)
    dreamer: Any = theirs.agent
    return Config(
        env=theirs.env,
        agent=HybridConfig(
            model=dreamer.model,
            losses=dreamer.losses,
            world_model=WorldModel(epochs=8, minibatches=2),
            world_optimizer=Optimizer(learning_rate=1e-3, warmup=100),
            heads=Heads(units=128, layers=2),
            ppo=PPO(epochs=4, minibatches=4, discount=0.95, entropy=0.02),
            optimizer=Adam(learning_rate=1e-3, decay="linear"),
        ),
        replay=Replay(capacity=16 * 64, batch=16, length=32, sampler="newest"),
        train=Train(
            envs=16,
            steps=120_000,
            ratio=1,
            prefill=0,
            log_every=2_048,
            report_every=20_000,
            eval_every=20_000,
            eval_episodes=32,
            save_every=20_000,
        ),
    )
