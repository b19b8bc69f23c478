"""Finite scalar quantization: numbers rounded to a few levels; every combination is a code.

Source: Mentzer et al., Finite scalar quantization: VQ-VAE made simple, 2023 (arXiv 2309.15505).
"""

import chex
import jax
import jax.numpy as jnp
import numpy as np

MARGIN = 1e-3  # that bounds lie beyond the outermost levels, so that these are reached


def bounded(x: jax.Array, levels: tuple[int, ...]) -> jax.Array:
    """h tanh(x + atanh(o / h)) - o: [*, d] -> [*, d] between the outermost levels.

    With h = (L - 1) (1 + MARGIN) / 2, and o = 1/2 for an even number L of levels, otherwise 0.
    Rounded, this has L values: -L/2 .. L/2 - 1 for an even L, -(L-1)/2 .. (L-1)/2 for an odd one.
    0 stays 0. (§ 3.1)
    """
    chex.assert_axis_dimension(x, -1, len(levels))
    counts = np.asarray(levels)
    half = (counts - 1) * (1 + MARGIN) / 2
    offset = np.where(counts % 2 == 0, 0.5, 0.0)
    shift = jnp.asarray(np.arctanh(offset / half), jnp.float32)
    return jnp.float32(half) * jnp.tanh(x + shift) - jnp.float32(offset)


def rounded(x: jax.Array, levels: tuple[int, ...]) -> jax.Array:
    """The nearest level of each `bounded` number: [*, d] -> [*, d].

    The gradient is that of the bounded number: rounding counts as the identity.
    """
    x = bounded(x, levels)
    return x + jax.lax.stop_gradient(jnp.round(x) - x)


def to_tokens(numbers: jax.Array, levels: tuple[int, ...]) -> jax.Array:
    """Σ_i (number_i + ⌊L_i / 2⌋) Π_{j < i} L_j: [*, d] from `rounded` -> [*] int32."""
    counts = np.asarray(levels)
    digits = jnp.round(numbers).astype(jnp.int32) + counts // 2
    return (digits * _places(levels)).sum(-1).astype(jnp.int32)


def from_tokens(tokens: jax.Array, levels: tuple[int, ...]) -> jax.Array:
    """The inverse of `to_tokens`: [*] integers -> [*, d] float32."""
    counts = np.asarray(levels)
    digits = tokens[..., None] // _places(levels) % counts
    return (digits - counts // 2).astype(jnp.float32)


def _places(levels: tuple[int, ...]) -> np.ndarray:
    """What each digit counts for: [d] int32."""
    return np.cumprod([1, *levels[:-1]]).astype(np.int32)
