"""Learning to act from rollouts: λ-returns, REINFORCE and a critic of distributions.

Nothing here knows where a rollout came from; dreams and real steps are the same struct.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from flax.struct import PyTreeNode

from dreamer_jax.math import lambda_returns
from dreamer_jax.types import Rollout

sg = jax.lax.stop_gradient


class ReturnRange(PyTreeNode):
    """Running 5th and 95th percentile of the imagined returns."""

    low: jax.Array  # [] float32
    high: jax.Array  # [] float32


class ActionDist(Protocol):
    """What a policy needs of the distribution of one action key."""

    def log_prob(self, value: jax.Array, /) -> jax.Array: ...
    def entropy(self) -> jax.Array: ...


class Critic(Protocol):
    """Distributions of returns [*], from one critic or several."""

    def loss(self, target: jax.Array, /) -> jax.Array: ...
    def pull(self, other: Any, /) -> jax.Array: ...  # towards the mean of another of its kind


def imagined_returns(rollout: Rollout, value: jax.Array, lambda_: float) -> jax.Array:
    """λ-returns R_0 .. R_{H-1} of a rollout, whose discount is already in `continue_`.

    value: [H + 1, *] mean of the critic -> [H, *]. (§ Critic learning)
    """
    mix = jnp.full_like(value, lambda_)
    return lambda_returns(rollout.reward, rollout.continue_, value, mix)


def rollout_weight(rollout: Rollout) -> jax.Array:
    """w_t = Π_{i ≤ t} c_i: how probable it is that step t happens at all, [H, *].

    The start state's own continue is included: what follows a terminal state is never trained on.
    """
    return sg(jnp.cumprod(rollout.continue_, axis=0))[:-1]


def update_return_range(range_: ReturnRange, returns: jax.Array, rate: float) -> ReturnRange:
    """Moves the range towards the 5th and 95th percentile of all `returns`. (§ Actor learning)

    Starts at 0 and is not debiased: early advantages are divided by no less than 1 anyway.
    """
    low, high = jnp.percentile(sg(returns), jnp.array([5.0, 95.0]))
    return ReturnRange(
        low=(1 - rate) * range_.low + rate * low, high=(1 - rate) * range_.high + rate * high
    )


def advantage(returns: jax.Array, value: jax.Array, range_: ReturnRange) -> jax.Array:
    """A_t = (R_t - v_t) / max(1, high - low): large returns shrink, small ones are not blown up."""
    return sg((returns - value) / jnp.maximum(1.0, range_.high - range_.low))


def log_prob(policy: Mapping[str, ActionDist], action: dict[str, jax.Array]) -> jax.Array:
    """Σ over action keys of ln π(a): [*]."""
    return sum((policy[key].log_prob(sg(action[key])) for key in policy), jnp.float32(0))


def entropy(policy: Mapping[str, ActionDist]) -> jax.Array:
    """Σ over action keys of the entropy: [*]."""
    return sum((policy[key].entropy() for key in policy), jnp.float32(0))


def policy_loss(
    policy: Mapping[str, ActionDist],
    action: dict[str, jax.Array],
    advantage: jax.Array,
    weight: jax.Array,
    entropy_scale: float,
) -> jax.Array:
    """REINFORCE with entropy: -w [ln π(a) sg(A) + η H(π)], all [H, *]. (§ Actor learning)"""
    return -weight * (log_prob(policy, action) * sg(advantage) + entropy_scale * entropy(policy))


def value_loss(
    value: Critic, target: jax.Array, slow: Critic, weight: jax.Array, slow_scale: float
) -> jax.Array:
    """w [CE(v, R) + scale · CE(v, mean of the slow critic)], all [H, *]. (§ Critic learning)

    The second term keeps the critic near its own past: a target network that is not a target.
    """
    return weight * (value.loss(sg(target)) + slow_scale * value.pull(sg(slow)))


def replay_returns(
    reward: jax.Array,
    is_last: jax.Array,
    is_terminal: jax.Array,
    bootstrap: jax.Array,
    horizon: float,
    lambda_: float,
) -> jax.Array:
    """λ-returns of real steps, with imagined returns as the bootstrap of every step.

    A terminal step contributes its reward alone. A truncated one contributes its bootstrap, and
    nothing from beyond it is mixed in. All [T, B] -> [T - 1, B].
    """
    discount = (1 - is_terminal.astype(jnp.float32)) * (1 - 1 / horizon)
    mix = (1 - is_last.astype(jnp.float32)) * lambda_
    return lambda_returns(reward, discount, bootstrap, mix)
