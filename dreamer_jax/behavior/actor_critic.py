"""Learning to act from rollouts: λ-returns, REINFORCE and a critic of distributions.

Nothing here knows where a rollout came from; dreams and real steps are the same struct. In all
shapes, H is the number of actions of a rollout, and `*` its batch axes.
"""

from collections.abc import Mapping
from typing import Protocol, Self

import chex
import jax
import jax.numpy as jnp
from flax.struct import PyTreeNode

from dreamer_jax.math import lambda_returns
from dreamer_jax.types import Action, Rollout

sg = jax.lax.stop_gradient


class ReturnRange(PyTreeNode, kw_only=True):
    """Running 5th and 95th percentile of the imagined returns."""

    low: jax.Array  # [] float32
    high: jax.Array  # [] float32


class ActionDist(Protocol):
    """What a policy needs of the distribution of one action key, over actions [*, n]."""

    def log_prob(self, value: jax.Array, /) -> jax.Array:
        """[*, n] -> [*]."""
        ...

    def entropy(self) -> jax.Array:
        """[*], in nats."""
        ...

    def max_entropy(self) -> float:
        """The largest entropy that any such distribution has, in nats."""
        ...


class Critic(Protocol):
    """Distributions of returns [*], from one critic or several."""

    def loss(self, target: jax.Array, /) -> jax.Array:
        """Cross-entropy with returns: [*] -> [*]."""
        ...

    def pull(self, other: Self, /) -> jax.Array:
        """Cross-entropy with the mean of another critic of the same kind: [*]."""
        ...


def imagined_returns(rollout: Rollout, value: jax.Array, *, lambda_: float) -> jax.Array:
    """λ-returns of a rollout, whose `continue_` includes the discount. (§ Critic learning)

    R_t = r_{t+1} + c_{t+1} [(1 - λ) v_{t+1} + λ R_{t+1}]   for t in 0 .. H - 1,   R_H = v_H

    The return belongs to the state in which the action was chosen, so reward and continue are
    those of the next state. Gradients are left to the caller to stop.

    Args:
      rollout: H actions and the H + 1 states around them.
      value: [H + 1, *] mean of the critic for each state.
      lambda_: weight of longer returns, in [0, 1].

    Returns: [H, *] float32.
    """
    chex.assert_equal_shape([rollout.reward, rollout.continue_, value])
    mix = jnp.full_like(value, lambda_)
    return lambda_returns(rollout.reward, discount=rollout.continue_, value=value, lambda_=mix)


def rollout_weight(rollout: Rollout) -> jax.Array:
    """w_t = Π_{i ≤ t} c_i, the probability that step t happens at all: [H, *].

    The start state's own continue is included, so a rollout that starts from a terminal state has
    weight 0 throughout. The weight says which steps count, so it gets no gradient.
    """
    return sg(jnp.cumprod(rollout.continue_, axis=0))[:-1]


def update_return_range(range_: ReturnRange, returns: jax.Array, *, rate: float) -> ReturnRange:
    """Moves the range toward the 5th and 95th percentile of all `returns`. (§ Actor learning)

    low' = (1 - rate) low + rate · P5(R), and `high` likewise with P95. Percentiles ignore rare
    outliers, which a maximum would follow. The range starts at 0 and is not debiased, because early
    advantages are divided by no less than 1 anyway.

    Args:
      range_: before this update.
      returns: [...] of the whole batch; the percentiles are over all axes.
      rate: share of the new percentiles, in [0, 1].
    """
    low, high = jnp.percentile(sg(returns), jnp.array([5.0, 95.0]))
    return ReturnRange(
        low=(1 - rate) * range_.low + rate * low, high=(1 - rate) * range_.high + rate * high
    )


def advantage(returns: jax.Array, value: jax.Array, *, range_: ReturnRange) -> jax.Array:
    """A_t = (R_t - v_t) / max(1, high - low): [H, *], [H, *] -> [H, *]. (§ Actor learning)

    Large returns shrink to a spread of 1, so one entropy scale fits all environments. Small ones
    are not enlarged. Where rewards are rare, that would only amplify the noise of the critic.
    """
    chex.assert_equal_shape([returns, value])
    return sg((returns - value) / jnp.maximum(1.0, range_.high - range_.low))


def log_prob(policy: Mapping[str, ActionDist], action: Action) -> jax.Array:
    """Σ over action keys of ln π(a): actions [*, n] -> [*]. The action gets no gradient."""
    return sum((policy[key].log_prob(sg(action[key])) for key in policy), jnp.float32(0))


def entropy(policy: Mapping[str, ActionDist]) -> jax.Array:
    """Σ over action keys of the entropy: [*], in nats."""
    return sum((policy[key].entropy() for key in policy), jnp.float32(0))


def policy_loss(
    policy: Mapping[str, ActionDist],
    action: Action,
    *,
    advantage: jax.Array,
    weight: jax.Array,
    entropy_scale: float,
) -> jax.Array:
    """REINFORCE with entropy: -w_t [ln π(a_t | s_t) sg(A_t) + η H(π(s_t))]. (§ Actor learning)

    The same estimator serves choices and continuous actions; nothing is differentiated through the
    world model.

    Args:
      policy: a distribution per action key, for the first H states.
      action: [H, *, n] of each key, as it was sampled from the policy.
      advantage: [H, *], see `advantage`.
      weight: [H, *], see `rollout_weight`.
      entropy_scale: η, per nat.

    Returns: [H, *] float32.
    """
    log_probs = log_prob(policy, action)
    chex.assert_equal_shape([log_probs, advantage, weight])
    return -weight * (log_probs * sg(advantage) + entropy_scale * entropy(policy))


def value_loss(
    value: Critic, target: jax.Array, *, slow: Critic, weight: jax.Array, slow_scale: float
) -> jax.Array:
    """w_t [CE(v_t, R_t) + scale · CE(v_t, mean of the slow critic)]. (§ Critic learning)

    The returns come from the critic itself, not from a slow copy of it. The second term keeps the
    critic near its own past instead, which is what target networks are for.

    Args:
      value: distributions for [H, *] states.
      target: [H, *] returns; no gradient.
      slow: distributions of the slow critic for the same states; no gradient.
      weight: [H, *], see `rollout_weight`.
      slow_scale: weight of the second term.

    Returns: [H, *] float32.
    """
    loss = value.loss(sg(target))
    chex.assert_equal_shape([loss, target, weight])
    return weight * (loss + slow_scale * value.pull(sg(slow)))


def replay_returns(
    reward: jax.Array,
    *,
    is_last: jax.Array,
    is_terminal: jax.Array,
    bootstrap: jax.Array,
    horizon: float,
    lambda_: float,
) -> jax.Array:
    """λ-returns of real steps, with imagined returns as the bootstrap of every step.

    R_t = r_{t+1} + γ_{t+1} [(1 - λ_{t+1}) b_{t+1} + λ_{t+1} R_{t+1}],   R_{T-1} = b_{T-1},
    γ_t = 0 where step t is terminal, else 1 - 1 / horizon;   λ_t = 0 where step t is last.

    A terminal step contributes its reward alone. A truncated one contributes its bootstrap, and
    nothing from beyond it is mixed in. The bootstrap says what the current policy would get from a
    step on, not the older one that has collected the step. (§ Critic learning)

    Args:
      reward: [T, B], each arrived with its step.
      is_last: [T, B] bool, the last step of its episode, terminal or truncated.
      is_terminal: [T, B] bool, the environment has ended.
      bootstrap: [T, B] return of a rollout that starts at each step.
      horizon: effective horizon in steps.
      lambda_: weight of longer returns, in [0, 1].

    Returns: [T - 1, B] float32. The last step has no successor, so it has no return.
    """
    chex.assert_rank(reward, 2)
    chex.assert_type([is_last, is_terminal], bool)
    discount = (1 - is_terminal.astype(jnp.float32)) * (1 - 1 / horizon)
    mix = (1 - is_last.astype(jnp.float32)) * lambda_
    return lambda_returns(reward, discount=discount, value=bootstrap, lambda_=mix)
