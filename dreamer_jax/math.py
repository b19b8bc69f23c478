"""Equations that several modules share: scaling, two-hot bins, returns, running moments."""

import chex
import jax
import jax.numpy as jnp


def symlog(x: jax.Array) -> jax.Array:
    """symlog(x) = sign(x) ln(1 + |x|): [*] -> [*]. (§ Robust predictions)

    It compresses large values and leaves small ones almost as they are. Unlike a logarithm it has
    a value for every number, and it keeps the sign.
    """
    return jnp.sign(x) * jnp.log1p(jnp.abs(x))


def symexp(x: jax.Array) -> jax.Array:
    """symexp(x) = sign(x) (exp(|x|) - 1), the inverse of `symlog`: [*] -> [*]."""
    return jnp.sign(x) * jnp.expm1(jnp.abs(x))


def weighted_mean(x: jax.Array, weight: jax.Array) -> jax.Array:
    """Σ w x / Σ w: [*], weight [*] or with axes of 1 -> []; 0 where nothing weighs."""
    weight = jnp.broadcast_to(weight, x.shape).astype(jnp.float32)
    total = weight.sum()
    return (weight * x).sum() / jnp.where(total > 0, total, 1.0)


def mean_where(x: jax.Array, which: jax.Array) -> jax.Array:
    """The mean of the entries `which` [*] bool of x [*]; NaN where there is none."""
    chex.assert_equal_shape([x, which])
    count = which.sum()
    return jnp.where(count > 0, (x * which).sum() / jnp.maximum(count, 1), jnp.nan)


def symexp_bins(count: int) -> jax.Array:
    """Positions of the two-hot bins: symexp of `count` points evenly spaced in [-20, 20].

    One half is mirrored rather than computed, so that the bins are symmetric to the last bit and a
    uniform distribution has a mean of exactly 0.

    Their distance grows with their size: fine near 0 and coarse at ±5e8, so that rewards of any
    scale fit without knowing it beforehand. (§ Robust predictions)

    Returns: [count] float32, ascending. Raises ValueError unless `count` is odd.
    """
    if count % 2 == 0:
        raise ValueError(f"two-hot needs an odd number of bins, so that one is 0; got {count}")
    negative = symexp(jnp.linspace(-20.0, 0.0, count // 2 + 1, dtype=jnp.float32))
    return jnp.concatenate([negative, -negative[-2::-1]])


def two_hot(x: jax.Array, bins: jax.Array) -> jax.Array:
    """Spreads each value over its two neighboring bins, so that their mean is the value.

    weight_below = |bin_above - x| / (|bin_below - x| + |bin_above - x|), weight_above = the rest.
    Values beyond the ends put all weight on the end bin. (§ Robust predictions)

    x: [...], bins: [L] from `symexp_bins` -> weights [..., L], whose sum is 1.
    """
    chex.assert_rank(bins, 1)
    last = bins.size - 1
    x = jnp.clip(x, bins[0], bins[-1])
    # Bins are even in symlog, so rounding finds one next to x and a comparison the one below it.
    near = jnp.clip(jnp.round((symlog(x) / 20 + 1) * (last / 2)).astype(jnp.int32), 0, last)
    below = jnp.clip(jnp.where(bins[near] > x, near - 1, near), 0, last - 1)
    above_weight = ((x - bins[below]) / (bins[below + 1] - bins[below]))[..., None]
    # A comparison with every index, unlike a scatter, fuses with the operation after it.
    distance = jnp.arange(bins.size) - below[..., None]
    return jnp.where(distance == 0, 1 - above_weight, jnp.where(distance == 1, above_weight, 0.0))


def lambda_returns(
    reward: jax.Array, *, discount: jax.Array, value: jax.Array, lambda_: jax.Array
) -> jax.Array:
    """λ-returns of a trajectory whose entry t + 1 is the response to the action at t.

    R_t = r_{t+1} + γ_{t+1} [(1 - λ_{t+1}) v_{t+1} + λ_{t+1} R_{t+1}]   for t in 0 .. T - 2,
    R_{T-1} = v_{T-1}   (§ Critic learning, with the discount and λ of each step as arrays)

    λ = 0 gives one-step targets, with the least variance; λ = 1 gives sums of rewards to the end,
    with the least bias from the values. The recursion runs backwards in a scan over T.

    Args:
      reward: [T, ...], entry t + 1 arrived with state t + 1. Entry 0 of all arguments is not read.
      discount: [T, ...], 0 where the state is terminal.
      value: [T, ...], the estimate of each state.
      lambda_: [T, ...], 0 where nothing beyond the state may be mixed in.

    Returns: [T - 1, ...], the returns of all states except the last one.
    """
    chex.assert_equal_shape([reward, discount, value, lambda_])

    def backwards(following: jax.Array, now: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
        r, gamma, v, mix = now
        return_ = r + gamma * ((1 - mix) * v + mix * following)
        return return_, return_

    arrived = (reward[1:], discount[1:], value[1:], lambda_[1:])
    _, returns = jax.lax.scan(backwards, value[-1], arrived, reverse=True)
    return returns


def merge_moments(
    mean: jax.Array, variance: jax.Array, count: jax.Array, x: jax.Array, *, horizon: float
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Adds the rows of `x` to a running mean and variance.

    With w = n / (count + n):  mean' = mean + w (m - mean),
    variance' = (1 - w) variance + w v + w (1 - w) (m - mean)²   (Chan et al., 1979),
    which is exact until `count` reaches `horizon` samples. After that, old samples lose weight
    exponentially.

    Args:
      mean: [n].
      variance: [n].
      count: [], samples so far, at most `horizon`.
      x: [..., n] new samples.
      horizon: samples that the running values remember.

    Returns: the new mean [n], variance [n] and count [].
    """
    chex.assert_shape([mean, variance], x.shape[-1:])
    chex.assert_rank(count, 0)
    rows = x.reshape(-1, x.shape[-1])
    weight = rows.shape[0] / (count + rows.shape[0])
    distance = rows.mean(0) - mean
    mixed = (1 - weight) * variance + weight * rows.var(0) + weight * (1 - weight) * distance**2
    return mean + weight * distance, mixed, jnp.minimum(count + rows.shape[0], horizon)
