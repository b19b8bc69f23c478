"""From a rollout to what policy and critic learn of it."""

import jax
import jax.numpy as jnp

from dreamer_jax.agents.on_policy.config import PPO
from dreamer_jax.agents.on_policy.features import Kept
from dreamer_jax.behavior.trajectories import (
    Experience,
    answered,
    best_trajectories,
    paid_every,
    real_returns,
)
from dreamer_jax.types import Metrics, Step


def experience(config: PPO, steps: Step, kept: Kept) -> Experience:
    """Returns and weights of a rollout [T, B], from the values that the critic gave while acting.

    The reward is what the environment gave, less the time penalty, paid every `reward_every` steps.
    The critic learns from all trajectories, the policy from those that the filter leaves: a critic
    that saw the best ones alone would expect too much, and so call all others worse than they were.

    Args:
      config: discount, λ, and how rewards are shaped and trajectories filtered.
      steps: [T, B, ...] after the context step.
      kept: [T, B, ...] of these steps.
    """
    is_last, is_terminal, value = steps.is_last, steps.is_terminal, kept.value
    reward = paid_every(steps.reward - config.time_penalty, is_last, interval=config.reward_every)
    returns = real_returns(
        reward,
        value,
        is_last=is_last,
        is_terminal=is_terminal,
        discount=config.discount,
        lambda_=config.lambda_,
    )
    learned = answered(is_last)
    imitated = learned
    if config.return_filter < 1:
        imitated &= best_trajectories(
            reward,
            value,
            is_first=steps.is_first,
            is_last=is_last,
            is_terminal=is_terminal,
            discount=config.discount,
            share=config.return_filter,
        )
    return Experience(
        action=steps.action,
        log_prob=kept.log_prob,
        value=value,
        returns=returns,
        weight=imitated.astype(jnp.float32),
        value_weight=learned.astype(jnp.float32),
    )


def experience_metrics(found: Experience, reward: jax.Array) -> Metrics:
    """What a rollout was like: [T, B] -> scalars; `reward` is that of the environment."""
    learned = found.value_weight > 0
    return {
        "actor_critic/reward": reward.mean(),
        "actor_critic/return": jnp.mean(found.returns, where=learned),
        "actor_critic/return_std": jnp.std(found.returns, where=learned),
        "actor_critic/value": jnp.mean(found.value, where=learned),
        "actor_critic/advantage_std": jnp.std(found.advantage, where=learned),
        "actor_critic/imitated": found.weight.sum() / found.value_weight.sum(),
    }
