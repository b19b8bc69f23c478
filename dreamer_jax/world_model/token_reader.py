"""A small network that reads frames as the tokens of a tokenizer that stays as it is.

The tokenizer has learned what frames look like from all recordings. What is trained here sees only
the vectors of the codes, [*, n, width].
"""

from typing import Any

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp

from dreamer_jax.nn.layers import Linear, Norm, NormAct
from dreamer_jax.world_model.preference import Reader


class TokenReader(nn.Module, kw_only=True):
    """Attention pooling: learned queries choose places, and an MLP reads what is there.

    x = two layers of (token W + place); a = softmax over the n tokens of x Q; y = MLP(Σ a x).
    """

    units: int
    queries: int  # places that the network looks at
    outputs: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, tokens: jax.Array) -> jax.Array:
        """[*, n, width] float32 -> [*, outputs] float32."""
        units, dtype = self.units, self.dtype
        init = nn.initializers.normal(0.02)
        place = self.param("place", init, (tokens.shape[-2], units))
        # Codes have any scale: vectors of a codebook are as large as their tokenizer made them.
        x = Norm(dtype=dtype, name="scale")(tokens)
        x = Linear(units=units, scale=1.0, dtype=dtype, name="read")(x) + place.astype(dtype)
        x = NormAct(dtype=dtype, name="norm")(x)
        x = Linear(units=units, scale=1.0, dtype=dtype, name="mix")(x)
        x = NormAct(dtype=dtype, name="mix_norm")(x)
        asked = Linear(units=self.queries, scale=1.0, dtype=dtype, name="queries")(x)
        attention = jax.nn.softmax(asked.astype(jnp.float32), axis=-2).astype(dtype)
        pooled = jnp.einsum("...nq,...nu->...qu", attention, x)
        pooled = pooled.reshape(*pooled.shape[:-2], -1)
        y = Linear(units=units, scale=1.0, dtype=dtype, name="hidden")(pooled)
        y = NormAct(dtype=dtype, name="hidden_norm")(y)
        y = Linear(units=self.outputs, scale=1.0, dtype=dtype, name="head")(y)
        return y.astype(jnp.float32)


def reader(network: TokenReader, *, tokens: int, width: int) -> Reader:
    """The network for frames of `tokens` vectors of `width` numbers."""

    def init(key: jax.Array) -> Any:
        return network.init(key, jnp.zeros((1, tokens, width)))

    def embed(params: Any, vectors: jax.Array) -> jax.Array:
        chex.assert_shape(vectors, (..., tokens, width))
        y = network.apply(params, vectors)
        assert isinstance(y, jax.Array)
        return y

    return Reader(init, embed)
