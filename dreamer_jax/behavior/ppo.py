"""Proximal policy optimization (Schulman et al. 2017), one equation per function.

Whoever made an `Experience`, an environment or a dream, the policy learns from it in several epochs
of minibatches, and no step may move it far from the policy that acted.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import chex
import jax
import jax.numpy as jnp
from flax.struct import PyTreeNode

from dreamer_jax.behavior.actor_critic import ActionDist, entropy, log_prob
from dreamer_jax.behavior.trajectories import Experience
from dreamer_jax.types import Metrics

sg = jax.lax.stop_gradient
StateT = TypeVar("StateT")
LEAST_SCALE = 0.1  # deviation of returns below which they are not enlarged


class ReturnScale(PyTreeNode, kw_only=True):
    """Running mean and variance of the returns: the unit that the critic predicts in."""

    mean: jax.Array  # [] float32
    variance: jax.Array  # [] float32
    count: jax.Array  # [] float32, returns that were averaged, at most the horizon

    @property
    def deviation(self) -> jax.Array:
        """[], at least LEAST_SCALE: where all returns are alike, their noise is not enlarged."""
        return jnp.maximum(jnp.sqrt(self.variance), LEAST_SCALE)

    def normalize(self, x: jax.Array) -> jax.Array:
        """(x - mean) / deviation: [*] -> [*]."""
        return (x - self.mean) / self.deviation

    def denormalize(self, x: jax.Array) -> jax.Array:
        """mean + x deviation: [*] -> [*], the inverse of `normalize`."""
        return self.mean + x * self.deviation


def unscaled() -> ReturnScale:
    """The scale before any return: mean 0 and deviation 1."""
    zero, one = jnp.zeros((), jnp.float32), jnp.ones((), jnp.float32)
    return ReturnScale(mean=zero, variance=one, count=jnp.zeros_like(zero))


def rescale(
    scale: ReturnScale, returns: jax.Array, weight: jax.Array, *, horizon: float
) -> ReturnScale:
    """The scale with these returns in it, as `math.merge_moments` does it for samples of weight 1.

    Args:
      scale: before them.
      returns: [*].
      weight: [*], how often each of them counts; 0 where there is no return.
      horizon: returns that the scale remembers.
    """
    chex.assert_equal_shape([returns, weight])
    number = weight.sum()
    mean = (weight * returns).sum() / jnp.maximum(number, 1.0)
    variance = (weight * (returns - mean) ** 2).sum() / jnp.maximum(number, 1.0)
    share = number / jnp.maximum(scale.count + number, 1.0)
    distance = mean - scale.mean
    return ReturnScale(
        mean=scale.mean + share * distance,
        variance=(1 - share) * scale.variance
        + share * variance
        + share * (1 - share) * distance**2,
        count=jnp.minimum(scale.count + number, horizon),
    )


def preserved(output: dict[str, jax.Array], *, old: ReturnScale, new: ReturnScale) -> Any:
    """The last layer of a critic, so that a new scale changes none of its denormalized values.

    W' = W σ / σ',   b' = (σ b + μ - μ') / σ'   (PopArt, van Hasselt et al. 2016, eq. 8)

    output: "kernel" [n, 1] and "bias" [1].
    """
    ratio = old.deviation / new.deviation
    shift = (old.mean - new.mean) / new.deviation
    return {"kernel": output["kernel"] * ratio, "bias": output["bias"] * ratio + shift}


def normalized(advantage: jax.Array, weight: jax.Array) -> jax.Array:
    """Advantages with mean 0 and deviation 1 over the steps of weight above 0: [*] -> [*]."""
    chex.assert_equal_shape([advantage, weight])
    counts = weight > 0
    number = jnp.maximum(counts.sum(), 1)
    mean = jnp.where(counts, advantage, 0.0).sum() / number
    variance = jnp.where(counts, (advantage - mean) ** 2, 0.0).sum() / number
    return (advantage - mean) / (jnp.sqrt(variance) + 1e-8)


def mean_over(x: jax.Array, weight: jax.Array) -> jax.Array:
    """Σ w x / Σ w: [*], [*] -> []. It is 0 where all weights are."""
    chex.assert_equal_shape([x, weight])
    return (weight * x).sum() / jnp.maximum(weight.sum(), 1e-8)


def ratios(policy: Mapping[str, ActionDist], experience: Experience) -> jax.Array:
    """π(a | s) / π_old(a | s), 1 where the weight is 0, since the action there may be void: [*]."""
    difference = log_prob(policy, experience.action) - sg(experience.log_prob)
    return jnp.exp(jnp.where(experience.weight > 0, difference, 0.0))


def surrogate_loss(ratio: jax.Array, advantage: jax.Array, *, clip: jax.Array) -> jax.Array:
    """-min(ρ A, clip(ρ, 1 - ε, 1 + ε) A): [*], [*] -> [*]. (Schulman et al. 2017, eq. 7)

    Once an action is ε more likely, a good outcome of it gives no gradient any more; a bad one, of
    an action that became less likely, neither. What moved the wrong way is always corrected.
    """
    chex.assert_equal_shape([ratio, advantage])
    advantage = sg(advantage)
    return -jnp.minimum(ratio * advantage, jnp.clip(ratio, 1 - clip, 1 + clip) * advantage)


def value_loss(value: jax.Array, old: jax.Array, target: jax.Array, *, clip: float) -> jax.Array:
    """(v - R)², with the larger one of this and that of v kept within ±`clip` of its old value.

    Args:
      value: [*] of the critic, normalized as the two below.
      old: [*] what it said when the action was chosen.
      target: [*] returns.
      clip: 0 does not clip.

    Returns: [*].
    """
    chex.assert_equal_shape([value, old, target])
    error = (value - sg(target)) ** 2
    if not clip:
        return error
    near = sg(old) + jnp.clip(value - sg(old), -clip, clip)
    return jnp.maximum(error, (near - sg(target)) ** 2)


def loss(
    policy: Mapping[str, ActionDist],
    value: jax.Array,
    experience: Experience,
    *,
    scale: ReturnScale,
    clip: jax.Array,
    value_clip: float,
    value_scale: float,
    entropy_scale: float,
) -> tuple[jax.Array, Metrics]:
    """L = mean(surrogate) + c_v mean(value loss) - η mean(entropy) of a minibatch.

    Advantages are normalized over the minibatch, so that the learning rate fits any reward. Means
    are weighted: by `weight` those of the policy, by `value_weight` that of the critic.

    Args:
      policy: a distribution [*] per action key.
      value: [*] of the critic, normalized by `scale`.
      experience: [*].
      scale: the unit of the critic.
      clip: [] ε of the ratio.
      value_clip: of the value loss; 0 does not clip.
      value_scale: c_v.
      entropy_scale: η, per nat.

    Returns: the loss [], and scalars to log.
    """
    weight, value_weight = experience.weight, experience.value_weight
    ratio = ratios(policy, experience)
    advantage = normalized(experience.advantage, weight)
    policy_loss = mean_over(surrogate_loss(ratio, advantage, clip=clip), weight)
    errors = value_loss(
        value,
        scale.normalize(experience.value),
        scale.normalize(experience.returns),
        clip=value_clip,
    )
    critic_loss, randomness = mean_over(errors, value_weight), mean_over(entropy(policy), weight)
    total = policy_loss + value_scale * critic_loss - entropy_scale * randomness
    return total, {
        "actor_critic/loss/policy": policy_loss,
        "actor_critic/loss/value": critic_loss,
        "optimizer/loss": total,
        **movement(sg(ratio), weight, clip=clip),
    }


def movement(ratio: jax.Array, weight: jax.Array, *, clip: jax.Array) -> Metrics:
    """How far the policy is from the one that acted: ratios [*], weights [*] -> scalars.

    `approx_kl` is the mean of ρ - 1 - ln ρ, which is never negative (Schulman 2020).
    `clip_fraction` is the share of ratios that are clipped, `ratio_error` the largest |ρ - 1|.
    """
    return {
        "actor_critic/approx_kl": mean_over(ratio - 1 - jnp.log(ratio), weight),
        "actor_critic/clip_fraction": mean_over((jnp.abs(ratio - 1) > clip) * 1.0, weight),
        "actor_critic/ratio_error": jnp.max(jnp.abs(ratio - 1)),
    }


def explained_variance(experience: Experience) -> jax.Array:
    """1 - Var(R - v) / Var(R): 1 where the critic knew all returns, 0 where it knew none; []."""
    weight = experience.value_weight

    def variance(x: jax.Array) -> jax.Array:
        return mean_over((x - mean_over(x, weight)) ** 2, weight)

    return 1 - variance(experience.advantage) / jnp.maximum(variance(experience.returns), 1e-8)


def descend(
    step: Callable[[StateT, Any], tuple[StateT, Metrics]],
    state: StateT,
    take: Callable[[jax.Array], Any],
    key: jax.Array,
    *,
    size: int,
    epochs: int,
    minibatches: int,
) -> tuple[StateT, Metrics]:
    """Epochs of minibatches in one scan; each epoch has another order.

    Args:
      step: (state, minibatch) -> state, metrics; one step of gradient descent.
      state: a pytree, before the first step.
      take: (indices [n] int32) -> the minibatch of these entries.
      key: consumed, for the orders.
      size: how many entries there are, divisible by `minibatches`.
      epochs: how often each of them is learned from.
      minibatches: of an epoch.

    Returns: the state after the last step; its metrics, [epochs, minibatches] each.
    """
    orders = jax.vmap(lambda key: jax.random.permutation(key, size))(jax.random.split(key, epochs))
    indices = orders.reshape(epochs * minibatches, size // minibatches)
    state, metrics = jax.lax.scan(lambda state, at: step(state, take(at)), state, indices)
    return state, jax.tree.map(lambda x: x.reshape(epochs, minibatches), metrics)


def summary(metrics: Metrics) -> Metrics:
    """Metrics [epochs, minibatches] of `descend` as scalars.

    Averages, apart from `movement`: the KL of the last epoch says how far the policy has come, and
    the ratio error of the first minibatch is 0 if learning repeats what acting has computed.
    """
    found = {name: x.mean() for name, x in metrics.items()}
    return found | {
        "actor_critic/approx_kl": metrics["actor_critic/approx_kl"][-1].mean(),
        "actor_critic/ratio_error": metrics["actor_critic/ratio_error"][0, 0],
    }
