"""From real steps to what a policy learns of them: rewards as they are paid, returns, a filter.

The steps are [T, B, ...], in the convention of `types.Step`: reward and flags arrived with the
observation, the action was chosen at it. The action at the last step of an episode has no effect,
and the response to that of step T - 1 is not known yet; both have no return.
"""

import chex
import jax
import jax.numpy as jnp
from flax.struct import PyTreeNode

from dreamer_jax.math import lambda_returns
from dreamer_jax.types import Action, Rollout

sg = jax.lax.stop_gradient


class Experience(PyTreeNode, kw_only=True):
    """Actions, what policy and critic thought of them then, and what came of them."""

    action: Action  # [*, n]
    log_prob: jax.Array  # [*] of the action, under the policy that chose it
    value: jax.Array  # [*] of the critic then, in the unit of the reward
    returns: jax.Array  # [*] from the state in which the action was chosen
    weight: jax.Array  # [*] of the policy's loss; 0 where there is nothing to learn
    value_weight: jax.Array  # [*] of the critic's loss

    @property
    def advantage(self) -> jax.Array:
        """A = R^λ - v, the generalized advantage estimate: [*]. (Schulman et al. 2016, eq. 16)"""
        return self.returns - self.value


def real_returns(
    reward: jax.Array,
    value: jax.Array,
    *,
    is_last: jax.Array,
    is_terminal: jax.Array,
    discount: float,
    lambda_: float,
) -> jax.Array:
    """λ-returns of real steps; R^λ - v is the generalized advantage estimate.

    R_t = r_{t+1} + γ_{t+1} [(1 - λ_{t+1}) v_{t+1} + λ_{t+1} R_{t+1}],   R_{T-1} = v_{T-1},
    γ_t = 0 where step t is terminal, else γ;   λ_t = 0 where step t is last, else λ.

    A truncated episode could have continued, so the value of its last observation stands for what
    would have come. A terminal one is worth its reward alone. (Pardo et al. 2018)

    Args:
      reward: [T, B], each arrived with its step.
      value: [T, B] of the critic.
      is_last: [T, B] bool, the last step of its episode, terminal or truncated.
      is_terminal: [T, B] bool.
      discount: γ of a step.
      lambda_: weight of longer returns, in [0, 1].

    Returns: [T, B] float32. That of the last row is its value, which no reward has tested.
    """
    chex.assert_equal_shape([reward, value, is_last, is_terminal])
    chex.assert_type([is_last, is_terminal], bool)
    returns = lambda_returns(
        reward,
        discount=jnp.where(is_terminal, 0.0, discount),
        value=value,
        lambda_=jnp.where(is_last, 0.0, lambda_),
    )
    return jnp.concatenate([returns, value[-1:]])


def answered(is_last: jax.Array) -> jax.Array:
    """Whether the response to the action of each step is there: [T, B] bool -> [T, B] bool."""
    return (~is_last).at[-1].set(False)


def paid_every(reward: jax.Array, is_last: jax.Array, *, interval: int) -> jax.Array:
    """Rewards that are paid at every `interval`-th step as the sum since the payment before.

    The end of an episode pays as well, so no reward is lost or reaches another episode.

    Args:
      reward: [T, B], with T divisible by `interval`, so that the last step pays.
      is_last: [T, B] bool.
      interval: in steps; 1 changes nothing.

    Returns: [T, B].
    """
    chex.assert_equal_shape([reward, is_last])
    assert len(reward) % interval == 0, (len(reward), interval)
    due = (jnp.arange(len(reward)) % interval == interval - 1)[:, None] | is_last

    def pay(owed: jax.Array, now: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        reward, due = now
        owed = owed + reward
        return jnp.where(due, 0.0, owed), jnp.where(due, owed, 0.0)

    return jax.lax.scan(pay, jnp.zeros_like(reward[0]), (reward, due))[1]


def best_trajectories(
    reward: jax.Array,
    value: jax.Array,
    *,
    is_first: jax.Array,
    is_last: jax.Array,
    is_terminal: jax.Array,
    discount: float,
    share: float,
) -> jax.Array:
    """Whether each step belongs to one of the ⌈share · n⌉ trajectories with the highest returns.

    A trajectory is an episode, or the part of one that lies in these T steps. Its return is the
    discounted sum of its rewards; where it continues after them, or was truncated, plus the value
    of the last of its states. Equal returns count alike: all of them are in, or out.

    Args:
      reward: [T, B].
      value: [T, B] of the critic.
      is_first: [T, B] bool.
      is_last: [T, B] bool.
      is_terminal: [T, B] bool.
      discount: γ of a step.
      share: of the n trajectories, in [0, 1]; at least one stays.

    Returns: [T, B] bool.
    """
    whole = real_returns(
        reward, value, is_last=is_last, is_terminal=is_terminal, discount=discount, lambda_=1.0
    )
    begins = is_first.at[0].set(True)
    counts = begins & answered(is_last)  # one without an action that was answered teaches nothing
    kept = jnp.maximum(1, jnp.ceil(share * counts.sum() - 1e-4)).astype(jnp.int32)
    ranked = jnp.sort(jnp.where(counts, whole, -jnp.inf).ravel(), descending=True)
    steps = jnp.arange(len(reward))[:, None]
    begin = jax.lax.cummax(jnp.where(begins, steps, 0), axis=0)
    return jnp.take_along_axis(whole, begin, axis=0) >= ranked[kept - 1]


def imagined(
    rollout: Rollout,
    *,
    log_prob: jax.Array,
    value: jax.Array,
    returns: jax.Array,
    weight: jax.Array,
) -> Experience:
    """Experience from a rollout, such as a dream, whose policy and critic were just asked.

    Args:
      rollout: H actions and the H + 1 states around them.
      log_prob: [H, *] of these actions.
      value: [H + 1, *] of these states.
      returns: [H, *], see `actor_critic.imagined_returns`.
      weight: [H, *], see `actor_critic.rollout_weight`.
    """
    chex.assert_equal_shape([log_prob, value[:-1], returns, weight])
    return Experience(
        action=rollout.action,
        log_prob=sg(log_prob),
        value=sg(value[:-1]),
        returns=sg(returns),
        weight=weight,
        value_weight=weight,
    )
