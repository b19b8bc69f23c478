"""Any environment with pictures, with PPO on the tokens of a stage `dynamics`."""

from typing import Any

from dreamer_jax.agents.on_policy.config import PPO, Adam
from dreamer_jax.agents.tokens.config import TokensConfig
from dreamer_jax.config import Config, Replay, Train

AGENT = TokensConfig(
    ppo=PPO(epochs=4, minibatches=8, discount=0.99, entropy=0.01),
    optimizer=Adam(learning_rate=3e-4),
)


def get_config(env: Any) -> Config:
    """The policy reads the summary of a frozen transformer, `policy.learns=transformer` tunes it.

    Needs --init_from=<logdir of --mode=fit --stage=dynamics>, which was learned from pictures as
    the environment shows them.
    """
    return Config(
        env=env,
        agent=AGENT,
        replay=Replay(capacity=8 * 512, batch=8, length=128, sampler="newest"),
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
