"""A transformer: attention between the tokens of a sequence, and their positions.

Source: Vaswani et al., Attention is all you need, 2017.
"""

from typing import NamedTuple

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from dreamer_jax.nn.layers import Linear, Norm


class TextSize(NamedTuple):
    """The size of the networks that read and predict text."""

    width: int  # of each token; even, and divisible by the heads
    layers: int
    heads: int
    patch: int  # symbols that are joined into one token


class Attention(nn.Module, kw_only=True):
    """softmax(Q Kᵀ / √d) V in each of `heads` slices of the width, of d numbers each. (§ 3.2)"""

    heads: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, target: jax.Array, source: jax.Array) -> jax.Array:
        """Queries from target [N, m, width], keys and values from source [N, n, width].

        -> [N, m, width]. The width must be divisible by the heads.
        """
        batch, _, width = source.shape
        chex.assert_shape(target, (batch, None, width))
        inputs = {"query": target, "key": source, "value": source}
        layers = {
            name: Linear(units=width, scale=1.0, dtype=self.dtype, name=name) for name in inputs
        }
        query, key, value = (
            layers[name](x).reshape(*x.shape[:-1], self.heads, -1) for name, x in inputs.items()
        )
        mixed = jax.nn.dot_product_attention(query, key, value).reshape(target.shape)
        return Linear(units=width, scale=1.0, dtype=self.dtype, name="mixed")(mixed)


class Transformer(nn.Module, kw_only=True):
    """`layers` times x += Attention(RMSNorm(x)), x += MLP(RMSNorm(x)): [N, n, width] -> the same.

    The layers do not see the order of tokens: add `positions` first.
    """

    layers: int
    heads: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        width = x.shape[-1]
        for i in range(self.layers):
            normed = Norm(dtype=self.dtype, name=f"attention_norm{i}")(x)
            attention = Attention(heads=self.heads, dtype=self.dtype, name=f"attention{i}")
            x = x + attention(normed, normed)
            normed = Norm(dtype=self.dtype, name=f"wide_norm{i}")(x)
            wide = Linear(units=4 * width, scale=1.0, dtype=self.dtype, name=f"wide{i}")
            narrow = Linear(units=width, scale=1.0, dtype=self.dtype, name=f"narrow{i}")
            x = x + narrow(jax.nn.silu(wide(normed)))
        return x


def positions(*, count: int, width: int) -> np.ndarray:
    """[count, width]: sin(p / 10⁴^(2 i / width)) and, in the second half, cos of the same. (§ 3.5)

    The width must be even.
    """
    rates = 10_000.0 ** (-np.arange(0, width, 2) / width)
    angles = np.arange(count)[:, None] * rates
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=-1).astype(np.float32)
