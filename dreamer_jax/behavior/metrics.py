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
    entropies = {f"entropy/{key}": dist.entropy().mean() for key, dist in policy.items()}
    shares = {
        f"randomness/{key}": entropies[f"entropy/{key}"] / dist.max_entropy()
        for key, dist in policy.items()
        if dist.max_entropy() > 0  # else there is nothing to choose
    }
    return {
        "behavior/imagined_return": returns.mean(),
        "behavior/imagined_return_std": returns.std(),
        "behavior/imagined_reward": rollout.reward.mean(),
        "behavior/imagined_continue": rollout.continue_.mean(),
        "behavior/value": value.mean(),
        "behavior/advantage_std": advantage.std(),
        "behavior/return_low": return_range.low,
        "behavior/return_high": return_range.high,
        **entropies,
        **shares,
    }
