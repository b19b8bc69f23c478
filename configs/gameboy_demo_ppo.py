"""The project's own Game Boy cartridge, up to the gate, with PPO and a memory."""

from typing import Any

from configs import gameboy_demo
from dreamer_jax.agents.on_policy.config import PPO, Adam
from dreamer_jax.agents.ppo.config import Model, PPOConfig
from dreamer_jax.config import Config, Replay, Train


def get_config(env: Any) -> Config:
    """The same game as `gameboy_demo`; the note has to be remembered until the keeper asks.

    python -m dreamer_jax.main --env=gameboy_demo --agent=ppo: 120,000 steps, 117 updates, 10
    minutes on one core. Answers right in 100 of 100 greedy episodes, and in 66 of 100 sampled ones
    (seed 0, November 2026).
    """
    return Config(
        env=gameboy_demo.get_config(env).env,
        agent=PPOConfig(
            model=Model(depth=2, units=64, memory="gru", memory_units=64, text_patch=120),
            ppo=PPO(epochs=4, minibatches=4, discount=0.97, entropy=0.02),
            optimizer=Adam(learning_rate=1e-3, decay="linear"),
        ),
        replay=Replay(capacity=16 * 128, batch=16, length=64, sampler="newest"),
        train=Train(
            envs=16,
            steps=120_000,
            ratio=1,
            prefill=0,
            log_every=4_096,
            report_every=0,
            eval_every=40_000,
            eval_episodes=32,
            save_every=40_000,
        ),
    )
