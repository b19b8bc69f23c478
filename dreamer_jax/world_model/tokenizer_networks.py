"""The convolutions of the tokenizer: images to a grid of vectors, and back."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp

from dreamer_jax.nn.forms import convolution
from dreamer_jax.nn.layers import Linear, NormAct, truncated_normal
from dreamer_jax.nn.plain.convs import depth_to_space, space_to_depth


class Conv3x3(nn.Module, kw_only=True):
    """A 3x3 convolution and a bias: [N, h, w, in] -> [N, h, w, channels]."""

    channels: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        init = truncated_normal(scale=1.0, fan_in=9 * x.shape[-1])
        kernel = self.param("kernel", init, (3, 3, x.shape[-1], self.channels))
        bias = self.param("bias", nn.initializers.zeros, (self.channels,))
        y = convolution(x.astype(self.dtype), kernel.astype(self.dtype))
        return y + bias.astype(self.dtype)


class Residual(nn.Module, kw_only=True):
    """x + two times norm, SiLU, convolution: [N, h, w, channels] -> the same."""

    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        y = x
        for i in range(2):
            y = NormAct(dtype=self.dtype, name=f"norm{i}")(y)
            y = Conv3x3(channels=x.shape[-1], dtype=self.dtype, name=f"conv{i}")(y)
        return x + y


class TokenEncoder(nn.Module, kw_only=True):
    """One halving for each entry of `channels`, then a residual block at the smallest size.

    A halving is a convolution of 2x2 squares as pixels of four times the channels: an output sees
    6x6 pixels, and no product is computed that a stride would throw away.
    """

    channels: tuple[int, ...]
    width: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        """uint8 images [N, h, w, c] -> [N, rows, columns, width] float32."""
        chex.assert_rank(images, 4)
        chex.assert_type(images, jnp.uint8)
        x = images.astype(self.dtype) / 255 - 0.5
        for i, channels in enumerate(self.channels):
            if i:
                x = NormAct(dtype=self.dtype, name=f"norm{i}")(x)
            x = space_to_depth(x)
            x = Conv3x3(channels=channels, dtype=self.dtype, name=f"conv{i}")(x)
        x = Residual(dtype=self.dtype, name="residual")(x)
        x = NormAct(dtype=self.dtype, name="norm")(x)
        x = Linear(units=self.width, scale=1.0, dtype=self.dtype, name="vectors")(x)
        return x.astype(jnp.float32)


class TokenDecoder(nn.Module, kw_only=True):
    """Mirror image of the encoder; sigmoid at the end."""

    channels: tuple[int, ...]
    colors: int  # channels of the image
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, vectors: jax.Array) -> jax.Array:
        """[N, rows, columns, width] -> pixels [N, h, w, colors] in [0, 1], float32."""
        chex.assert_rank(vectors, 4)
        x = Linear(units=self.channels[-1], scale=1.0, dtype=self.dtype, name="vectors")(vectors)
        x = Residual(dtype=self.dtype, name="residual")(x)
        for i, channels in reversed(list(enumerate((self.colors, *self.channels[:-1])))):
            x = NormAct(dtype=self.dtype, name=f"norm{i}")(x)
            x = Conv3x3(channels=4 * channels, dtype=self.dtype, name=f"conv{i}")(x)
            x = depth_to_space(x)
        return jax.nn.sigmoid(x.astype(jnp.float32))
