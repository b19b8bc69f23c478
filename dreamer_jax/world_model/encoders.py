"""Observations to one vector of tokens."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from dreamer_jax.nn.batches import batch_major, batch_minor
from dreamer_jax.nn.forms import batch_apply, conv5x5_max_pool, look_up
from dreamer_jax.nn.layers import MLP, STAGES, Conv, Linear, Norm, NormAct, truncated_normal
from dreamer_jax.nn.transformer import Attention, TextSize, Transformer, positions
from dreamer_jax.spaces import Spaces, numbers


class Encoder(nn.Module):
    """Images of one size through one convolutional stack, each text through a transformer, each of
    the rest through an MLP; then all is joined.

    So each enters with a scale of its own, however many numbers the others have.
    """

    spaces: Spaces
    depth: int
    units: int
    layers: int
    text: TextSize
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, obs: dict[str, jax.Array]) -> jax.Array:
        """Every key of `obs` is [*, ...] as its space says, vectors scaled -> tokens [*, M]."""
        tokens = []
        for side, keys in self.spaces.stacks.items():
            images = jnp.concatenate([obs[key] for key in keys], axis=-1)
            encoder = ImageEncoder(self.depth, self.dtype, name=f"image{side}")
            tokens.append(batch_apply(encoder, images, batch_axes=images.ndim - 3))
        for key, (_, alphabet) in self.spaces.texts.items():
            text = TextEncoder(alphabet, self.units, self.text, self.dtype, name=f"{key}_text")
            tokens.append(text(obs[key]))
        for key in self.spaces.flat:
            mlp = MLP(self.layers, self.units, self.dtype, name=f"{key}_mlp")
            tokens.append(mlp(numbers(obs, self.spaces, key)))
        return jnp.concatenate(tokens, axis=-1)


class ImageEncoder(nn.Module):
    """Four times convolution, 2x2 max-pooling, norm, SiLU; a side of 16 n becomes n."""

    depth: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        """uint8 images [N, h, w, c] -> [N, M]."""
        x = images.astype(self.dtype) / 255 - 0.5
        for i, multiple in enumerate(STAGES):
            x = Conv(multiple * self.depth, conv5x5_max_pool, self.dtype, name=f"conv{i}")(x)
            x = NormAct(self.dtype, name=f"norm{i}")(x)
        return x.reshape(x.shape[0], -1)


class TextEncoder(nn.Module):
    """Symbols to patches to a transformer, pooled by a learned question."""

    alphabet: int
    units: int
    size: TextSize
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, symbols: jax.Array) -> jax.Array:
        """[*, n] integers below `alphabet` -> [*, units]."""
        width, batch = self.size.width, symbols.shape[:-1]
        symbols = batch_major(symbols, event_axes=1)
        rest = -symbols.shape[1] % self.size.patch
        symbols = jnp.pad(symbols, [(0, 0), (0, rest)])
        table = self.param("symbols", truncated_normal(1.0, 1), (self.alphabet, width))
        x = look_up(table, symbols, dtype=self.dtype)
        x = x.reshape(len(x), -1, self.size.patch * width)
        x = Linear(width, 1.0, self.dtype, name="patch")(x)
        x = x + positions(x.shape[1], width).astype(self.dtype)
        x = Transformer(self.size.layers, self.size.heads, self.dtype, name="transformer")(x)
        x = Norm(self.dtype, name="norm")(x)
        question = self.param("question", truncated_normal(1.0, 1), (1, 1, width))
        question = jnp.broadcast_to(question.astype(self.dtype), (len(x), 1, width))
        pooled = Attention(self.size.heads, self.dtype, name="pool")(question, x)
        pooled = MLP(1, self.units, self.dtype, name="mlp")(pooled[:, 0])
        return batch_minor(pooled, batch=batch)
