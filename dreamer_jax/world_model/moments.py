"""Running scale of vector observations, kept as part of the agent's state."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax.struct import PyTreeNode

from dreamer_jax.math import merge_moments

Obs = dict[str, jax.Array]
Rescale = Callable[[dict[str, "Moments"], Obs, float], dict[str, "Moments"]]
LIMIT = 10.0  # a flag that is set for the first time in a million steps is an outlier, not a crash


class Moments(PyTreeNode):
    """Running mean and variance of a vector, and how much evidence they rest on."""

    mean: jax.Array  # [n] float32
    variance: jax.Array  # [n] float32
    count: jax.Array  # [] float32


def initial(size: int) -> Moments:
    """No evidence yet: mean 0 and variance 1, so that nothing is scaled."""
    zero = jnp.zeros((), jnp.float32)
    return Moments(mean=jnp.zeros(size), variance=jnp.ones(size), count=zero)


def update(moments: dict[str, Moments], obs: Obs, horizon: float) -> dict[str, Moments]:
    """Adds a batch of observations [..., n] to the moments of each key."""
    return {
        key: Moments(*merge_moments(m.mean, m.variance, m.count, obs[key], horizon=horizon))
        for key, m in moments.items()
    }


def keep(moments: dict[str, Moments], obs: Obs, horizon: float) -> dict[str, Moments]:
    """As `update`, for a model that is frozen: its moments stay what they are."""
    del obs, horizon
    return moments


def standardize(moments: dict[str, Moments], obs: Obs) -> Obs:
    """(x - mean) / √variance, within ±LIMIT, for every key with moments; the rest as it is.

    As published, vectors are left in the units of their environment. A squared error then hardly
    notices a quantity that is small in these units (the angle of a pole, in radians): beside the
    free nats of the KL it costs nothing to forget it, and the latent does.
    """

    def scale(m: Moments, x: jax.Array) -> jax.Array:
        return jnp.clip((x - m.mean) * jax.lax.rsqrt(m.variance + 1e-8), -LIMIT, LIMIT)

    return {**obs, **{key: scale(m, obs[key]) for key, m in moments.items()}}
