"""Running scale of vector observations, kept as part of the agent's state."""

from typing import Protocol

import jax
import jax.numpy as jnp
from flax.struct import PyTreeNode

from dreamer_jax.math import merge_moments
from dreamer_jax.types import Obs

# Without a limit, a flag first set after a million steps would be 1,000 deviations from its mean.
MOST_DEVIATIONS = 10.0


class Moments(PyTreeNode, kw_only=True):
    """Running mean and variance of a vector, and how much evidence they rest on."""

    mean: jax.Array  # [n] float32
    variance: jax.Array  # [n] float32
    count: jax.Array  # [] float32, steps that were averaged, at most the horizon


class Rescale(Protocol):
    """How moments change with a batch of observations: `update` or `keep`."""

    def __call__(
        self, moments: dict[str, Moments], obs: Obs, *, horizon: float
    ) -> dict[str, Moments]: ...


def initial(size: int) -> Moments:
    """No evidence yet: mean 0 and variance 1, so that nothing is scaled."""
    zero = jnp.zeros((), jnp.float32)
    return Moments(mean=jnp.zeros(size), variance=jnp.ones(size), count=zero)


def update(moments: dict[str, Moments], obs: Obs, *, horizon: float) -> dict[str, Moments]:
    """Adds a batch of observations to the moments of each key. (`math.merge_moments`)

    Args:
      moments: of each vector that is scaled.
      obs: [*, n] for each of these keys, in the units of the environment.
      horizon: steps after which old observations lose weight.

    Returns: the new moments of the same keys.
    """

    def merged(m: Moments, x: jax.Array) -> Moments:
        mean, variance, count = merge_moments(m.mean, m.variance, m.count, x, horizon=horizon)
        return Moments(mean=mean, variance=variance, count=count)

    return {key: merged(m, obs[key]) for key, m in moments.items()}


def keep(moments: dict[str, Moments], obs: Obs, *, horizon: float) -> dict[str, Moments]:
    """As `update`, for a frozen model, which needs the scale that it was trained with."""
    del obs, horizon
    return moments


def standardize(moments: dict[str, Moments], obs: Obs) -> Obs:
    """(x - mean) / √variance, within ±MOST_DEVIATIONS, for every key with moments: [*, n].

    Keys without moments stay as they are.

    DreamerV3 as published leaves vectors in the units of their environment. A squared error then
    hardly notices a quantity that is small in these units, such as the angle of a pole in radians.
    Forgetting it costs less than the free nats of the KL, so the latent does forget it.
    """

    def scale(m: Moments, x: jax.Array) -> jax.Array:
        # 1e-8 keeps an entry that never changes at 0 instead of 0 / 0.
        scaled = (x - m.mean) * jax.lax.rsqrt(m.variance + 1e-8)
        return jnp.clip(scaled, -MOST_DEVIATIONS, MOST_DEVIATIONS)

    return {**obs, **{key: scale(m, obs[key]) for key, m in moments.items()}}


def unstandardize(moments: dict[str, Moments], obs: Obs) -> Obs:
    """mean + x √variance for every key with moments, the inverse of `standardize`: [*, n]."""

    def unscale(m: Moments, x: jax.Array) -> jax.Array:
        return m.mean + x * jnp.sqrt(m.variance + 1e-8)

    return {**obs, **{key: unscale(m, obs[key]) for key, m in moments.items()}}
