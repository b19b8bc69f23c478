"""Orders in which the moments of a clip are played: forwards, rewound, truncated and shuffled.

An order is [T, B] int32: which moment of the clip is at each position. What a clip achieved follows
from the moments that it shows, never from their positions. Sources: rewound clips are those of
Zhang et al., ReWiND, 2025, and of Robometer (arXiv 2603.02115); shuffled ones those of Ma et al.,
Vision language models are in-context value learners, 2024.
"""

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp


class Shares(NamedTuple):
    """How many of the clips are played in each order; the rest is played forwards."""

    rewound: float
    truncated: float
    shuffled: float


def forwards(length: int, *, runs: int) -> jax.Array:
    """0, 1, 2, ...: [T, B]."""
    return jnp.broadcast_to(jnp.arange(length)[:, None], (length, runs))


def rewound(cut: jax.Array, *, length: int) -> jax.Array:
    """Forwards to the moment `cut`, then backwards; it stands still at moment 0.

    cut: [B] int32 -> [T, B]: 0, 1, ..., cut, cut - 1, ..., 0, 0.
    """
    position = jnp.arange(length)[:, None]
    return jnp.maximum(cut - jnp.abs(position - cut), 0)


def truncated(cut: jax.Array, *, length: int) -> jax.Array:
    """Forwards to the moment `cut`, where it stands still: [B] int32 -> [T, B]."""
    return jnp.minimum(jnp.arange(length)[:, None], cut)


def shuffled(key: jax.Array, *, length: int, runs: int) -> jax.Array:
    """Each moment once, in a random order: [T, B]."""
    return jax.random.permutation(key, forwards(length, runs=runs), axis=0, independent=True)


def mixed(key: jax.Array, *, length: int, runs: int, shares: Shares) -> jax.Array:
    """An order [T, B] for each clip, drawn by `shares`; cuts are uniform over inner moments."""
    of_kind, of_cut, of_order = jax.random.split(key, 3)
    cut = jax.random.randint(of_cut, (runs,), 1, max(2, length - 1))
    kinds = jnp.stack(
        [
            rewound(cut, length=length),
            truncated(cut, length=length),
            shuffled(of_order, length=length, runs=runs),
            forwards(length, runs=runs),
        ]
    )
    uniform = jax.random.uniform(of_kind, (runs,))
    kind = jnp.sum(uniform >= jnp.cumsum(jnp.array(shares))[:, None], axis=0)
    return jnp.take_along_axis(kinds, kind[None, None], axis=0)[0]


def play(values: jax.Array, order: jax.Array) -> jax.Array:
    """Values of each moment, in the order in which the clip is played.

    values: [T, B, ...], order: [T, B] -> [T, B, ...].
    """
    chex.assert_equal_shape_prefix([values, order], 2)
    places = order.reshape(*order.shape, *[1] * (values.ndim - 2))
    return jnp.take_along_axis(values, places, axis=0)
