"""Scalars that tell why behavior does not learn."""

from collections.abc import Mapping

import jax

from dreamer_jax.behavior.actor_critic import ActionDist, ReturnRange
from dreamer_jax.types import Metrics, Rollout


def behavior_metrics(
    policy: Mapping[str, ActionDist],
    rollout: Rollout,
    *,
    returns: jax.Array,
    value: jax.Array,
    advantage: jax.Array,
    return_range: ReturnRange,
) -> Metrics:
    """Scalars that tell why behavior does not learn: scales, spreads, and randomness of the policy.

    Args:
      policy: distributions for the first H states of the rollout.
      rollout: H actions, [H + 1, *] states.
      returns: [H, *].
      value: [H + 1, *] mean of the critic.
      advantage: [H, *].
      return_range: after this batch.
    """
    entropies = {
        f"actor_critic/entropy/{key}": dist.entropy().mean() for key, dist in policy.items()
    }
    shares = {
        f"actor_critic/randomness/{key}": entropies[f"actor_critic/entropy/{key}"]
        / dist.max_entropy()
        for key, dist in policy.items()
        if dist.max_entropy() > 0  # else there is nothing to choose
    }
    return {
        "actor_critic/imagined_return": returns.mean(),
        "actor_critic/imagined_reward": rollout.reward.mean(),
        "actor_critic/imagined_continue": rollout.continue_.mean(),
        "actor_critic/value": value.mean(),
        "actor_critic/return_low": return_range.low,
        "actor_critic/return_high": return_range.high,
        **spreads(returns, advantage=advantage),
        **entropies,
        **shares,
    }


def spreads(returns: jax.Array, *, advantage: jax.Array) -> Metrics:
    """Deviations over all steps [H, *]: what the parts of a batch do not tell one by one."""
    return {
        "actor_critic/imagined_return_std": returns.std(),
        "actor_critic/advantage_std": advantage.std(),
    }
