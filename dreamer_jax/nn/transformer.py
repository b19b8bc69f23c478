"""A transformer: attention between the tokens of a sequence, and their positions."""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from dreamer_jax.nn.layers import Linear, Norm


class TextSize(NamedTuple):
    """What the networks that read and write text are made of."""

    width: int  # of each token; even, and divisible by the heads
    layers: int
    heads: int
    patch: int  # symbols that are joined into one token


class Attention(nn.Module):
    """softmax(Q Kᵀ / √d) V in each of `heads` slices, of d numbers, of the width.

    Source: Vaswani et al. 2017, § 3.2.
    """

    heads: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, asking: jax.Array, told: jax.Array) -> jax.Array:
        """Queries from `asking` [N, m, width], keys and values from `told` [N, n, width]."""
        width = told.shape[-1]
        inputs = {"query": asking, "key": told, "value": told}
        query, key, value = (
            Linear(width, 1.0, self.dtype, name=name)(x).reshape(*x.shape[:-1], self.heads, -1)
            for name, x in inputs.items()
        )
        mixed = jax.nn.dot_product_attention(query, key, value).reshape(asking.shape)
        return Linear(width, 1.0, self.dtype, name="mixed")(mixed)


class Transformer(nn.Module):
    """`layers` times x += Attention(RMSNorm(x)), x += MLP(RMSNorm(x)): [N, n, width] -> the same.

    Order is not seen: who calls it adds `positions`.
    """

    layers: int
    heads: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        width = x.shape[-1]
        for i in range(self.layers):
            normed = Norm(self.dtype, name=f"attention_norm{i}")(x)
            x = x + Attention(self.heads, self.dtype, name=f"attention{i}")(normed, normed)
            normed = Norm(self.dtype, name=f"wide_norm{i}")(x)
            wide = jax.nn.silu(Linear(4 * width, 1.0, self.dtype, name=f"wide{i}")(normed))
            x = x + Linear(width, 1.0, self.dtype, name=f"narrow{i}")(wide)
        return x


def positions(count: int, width: int) -> np.ndarray:
    """[count, width]: sin(p / 10⁴^(2 i / width)) and, in the second half, cos of the same.

    Source: Vaswani et al. 2017, § 3.5.
    """
    rates = 10_000.0 ** (-np.arange(0, width, 2) / width)
    angles = np.arange(count)[:, None] * rates
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=-1).astype(np.float32)
