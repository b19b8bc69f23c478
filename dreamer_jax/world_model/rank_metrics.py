"""How well numbers follow other numbers in their order: Kendall, Spearman and Pearson.

All take [N, *] and [N, *] and compare along the first axis; where one side never changes, there is
no order to follow, and the result is 0.
"""

import chex
import jax
import jax.numpy as jnp


def kendall(x: jax.Array, y: jax.Array) -> jax.Array:
    """Kendall's tau-b: Σ sgn(x_i - x_j) sgn(y_i - y_j) / √(pairs untied in x, pairs untied in y).

    1 where both orders are the same, -1 where one is the other backwards: [N, *] -> [*].
    """
    chex.assert_equal_shape([x, y])
    of_x, of_y = (jnp.sign(v[:, None] - v[None]).astype(jnp.float32) for v in (x, y))
    agreed = jnp.sum(of_x * of_y, axis=(0, 1))
    untied = [jnp.square(v).sum((0, 1)) for v in (of_x, of_y)]
    return _over(agreed, jnp.sqrt(untied[0] * untied[1]))


def spearman(x: jax.Array, y: jax.Array) -> jax.Array:
    """Pearson's correlation of the ranks; equal numbers share their mean rank: [N, *] -> [*]."""
    return pearson(ranks(x), ranks(y))


def pearson(x: jax.Array, y: jax.Array) -> jax.Array:
    """Σ x' y' / √(Σ x'² Σ y'²), x' = x - mean x: [N, *] -> [*]."""
    chex.assert_equal_shape([x, y])
    x, y = (v.astype(jnp.float32) - v.astype(jnp.float32).mean(0) for v in (x, y))
    return _over((x * y).sum(0), jnp.sqrt(jnp.square(x).sum(0) * jnp.square(y).sum(0)))


def ranks(x: jax.Array) -> jax.Array:
    """How many numbers are smaller, and half of the other equal ones: [N, *] -> [N, *] float32."""
    difference = jnp.sign(x[:, None] - x[None]).astype(jnp.float32)
    return (difference.sum(1) + len(x) - 1) / 2


def _over(numerator: jax.Array, denominator: jax.Array) -> jax.Array:
    defined = denominator > 0
    return jnp.where(defined, numerator / jnp.where(defined, denominator, 1.0), 0.0)
