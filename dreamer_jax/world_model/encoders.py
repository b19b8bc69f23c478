"""Observations to one vector of tokens."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp

from dreamer_jax.nn.forms import batch_apply, conv5x5_max_pool, look_up
from dreamer_jax.nn.layers import CHANNELS, MLP, Conv, Linear, Norm, NormAct, truncated_normal
from dreamer_jax.nn.plain.batches import batch_major, batch_minor
from dreamer_jax.nn.transformer import Attention, TextSize, Transformer, positions
from dreamer_jax.spaces import Spaces, numbers
from dreamer_jax.world_model.grids import GridEncoder


class Encoder(nn.Module, kw_only=True):
    """All observations as one vector. (§ World model learning)

    Images of one size go through one convolutional stack, each text through a transformer, each
    grid of symbols through patches, and every other key through an MLP. So the scale of a key does
    not depend on how many numbers the other keys have.
    """

    spaces: Spaces
    depth: int  # channels of the convolutions, in multiples of `CHANNELS`
    units: int  # of every MLP, and width of the vector of a text
    layers: int  # of every MLP
    text: TextSize
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, obs: dict[str, jax.Array]) -> jax.Array:
        """Encodes one observation of every key.

        Args:
          obs: [*, ...] for each key of `spaces`: images uint8, vectors float32 and already scaled,
            everything else integers.

        Returns: tokens [*, M] in `dtype`. M is the sum over keys: (side / 16)² * 4 depth for each
          stack of images, `units` for every other key.
        """
        tokens: list[jax.Array] = []
        for side, keys in self.spaces.stacks.items():
            images = jnp.concatenate([obs[key] for key in keys], axis=-1)
            encoder = ImageEncoder(depth=self.depth, dtype=self.dtype, name=f"image{side}")
            tokens.append(batch_apply(encoder, images, batch_axes=images.ndim - 3))
        for key, (_, alphabet) in self.spaces.texts.items():
            text = TextEncoder(
                alphabet=alphabet,
                units=self.units,
                size=self.text,
                dtype=self.dtype,
                name=f"{key}_text",
            )
            tokens.append(text(obs[key]))
        for key, (*_, classes) in self.spaces.symbols.items():
            grid = GridEncoder(
                classes=classes,
                depth=self.depth,
                units=self.units,
                layers=self.layers,
                dtype=self.dtype,
                name=f"{key}_symbols",
            )
            tokens.append(batch_apply(grid, obs[key], batch_axes=obs[key].ndim - 3))
        for key in self.spaces.flat:
            mlp = MLP(layers=self.layers, units=self.units, dtype=self.dtype, name=f"{key}_mlp")
            tokens.append(mlp(numbers(obs, self.spaces, key=key)))
        chex.assert_equal_shape_prefix(tokens, tokens[0].ndim - 1)
        return jnp.concatenate(tokens, axis=-1)


class ImageEncoder(nn.Module, kw_only=True):
    """Four times convolution, 2x2 max pooling, norm, SiLU; a side of 16 n becomes n."""

    depth: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        """uint8 images [N, h, w, c] -> [N, M]."""
        chex.assert_rank(images, 4)
        chex.assert_type(images, jnp.uint8)
        x = images.astype(self.dtype) / 255 - 0.5
        for i, multiple in enumerate(CHANNELS):
            channels = multiple * self.depth
            x = Conv(channels=channels, conv=conv5x5_max_pool, dtype=self.dtype, name=f"conv{i}")(x)
            x = NormAct(dtype=self.dtype, name=f"norm{i}")(x)
        return x.reshape(x.shape[0], -1)


class TextEncoder(nn.Module, kw_only=True):
    """Symbols to patches to a transformer, pooled by attention from a learned query.

    A patch joins neighboring symbols into one token, because attention between n tokens takes n²
    products.
    """

    alphabet: int
    units: int
    size: TextSize
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, symbols: jax.Array) -> jax.Array:
        """[*, n] integers below `alphabet` -> [*, units]."""
        width, heads, batch = self.size.width, self.size.heads, symbols.shape[:-1]
        symbols = batch_major(symbols, event_axes=1)
        rest = -symbols.shape[1] % self.size.patch  # blanks that fill up the last patch
        symbols = jnp.pad(symbols, [(0, 0), (0, rest)])
        init = truncated_normal(scale=1.0, fan_in=1)
        table = self.param("symbols", init, (self.alphabet, width))
        x = look_up(table, symbols, dtype=self.dtype)
        x = x.reshape(len(x), -1, self.size.patch * width)
        x = Linear(units=width, scale=1.0, dtype=self.dtype, name="patch")(x)
        x = x + positions(count=x.shape[1], width=width).astype(self.dtype)
        layers = self.size.layers
        x = Transformer(layers=layers, heads=heads, dtype=self.dtype, name="transformer")(x)
        x = Norm(dtype=self.dtype, name="norm")(x)
        query = self.param("question", init, (1, 1, width))
        query = jnp.broadcast_to(query.astype(self.dtype), (len(x), 1, width))
        pooled = Attention(heads=heads, dtype=self.dtype, name="pool")(query, x)
        pooled = MLP(layers=1, units=self.units, dtype=self.dtype, name="mlp")(pooled[:, 0])
        return batch_minor(pooled, batch=batch)
