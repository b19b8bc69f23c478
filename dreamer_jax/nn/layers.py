"""Building blocks of every network. Parameters are float32; `dtype` is the type of computation."""

from collections.abc import Callable
from typing import Any

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.ad_checkpoint import checkpoint_name

from dreamer_jax.nn.forms import product
from dreamer_jax.nn.plain.convs import KEPT

CHANNELS = (2, 3, 4, 4)  # of the encoder's convolutions, in multiples of its depth


def truncated_normal(*, scale: float, fan_in: int) -> Callable[..., jax.Array]:
    """Normal, truncated at two deviations and rescaled to a deviation of scale / √fan_in."""
    # 0.8796 is the deviation of a unit normal that is truncated at ±2.
    stddev = scale / 0.87962566 / np.sqrt(fan_in)

    def init(key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
        return stddev * jax.random.truncated_normal(key, -2, 2, shape, dtype)

    return init


class Linear(nn.Module, kw_only=True):
    """y = x W + b: [..., in] -> [..., units]."""

    units: int
    scale: float
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        init = truncated_normal(scale=self.scale, fan_in=x.shape[-1])
        kernel = self.param("kernel", init, (x.shape[-1], self.units))
        bias = self.param("bias", nn.initializers.zeros, (self.units,))
        return product(x.astype(self.dtype), kernel.astype(self.dtype)) + bias.astype(self.dtype)


class BlockLinear(nn.Module, kw_only=True):
    """A block-diagonal linear layer; block g has its own weights: [..., G, in] -> [..., G, units].

    All blocks may also see a second, shared input: y_g = [x_g, shared] W_g + b_g.
    """

    units: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x: jax.Array, shared: jax.Array | None = None) -> jax.Array:
        """x [..., G, in], shared [..., n] or None -> [..., G, units]."""
        blocks, own = x.shape[-2:]
        width = own if shared is None else own + shared.shape[-1]
        if shared is not None:
            chex.assert_shape(shared, (*x.shape[:-2], None))
        # The fan-in is that of the whole layer, as in the reference: blocks start √G smaller.
        init = truncated_normal(scale=1.0, fan_in=blocks * width)
        kernel = self.param("kernel", init, (blocks, width, self.units)).astype(self.dtype)
        bias = self.param("bias", nn.initializers.zeros, (blocks, self.units))
        # Blocks are the first axis, as in batched products. In other orders the compiler changes
        # the layout of the result and of all that follows: 2.5 times as long on a CPU.
        x = jnp.moveaxis(x.astype(self.dtype), -2, 0)
        y = jnp.moveaxis(jnp.einsum("g...i,gio->g...o", x, kernel[:, :own]), 0, -2)
        if shared is not None:
            # One dense product needs no copy of the shared input for each block.
            y += jnp.einsum("...i,gio->...go", shared.astype(self.dtype), kernel[:, own:])
        return y + bias.astype(self.dtype)


class Conv(nn.Module, kw_only=True):
    """A convolution of `forms` and a bias: [N, h, w, in] -> [N, h', w', channels]."""

    channels: int
    conv: Callable[[jax.Array, jax.Array], jax.Array]
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        init = truncated_normal(scale=1.0, fan_in=25 * x.shape[-1])
        kernel = self.param("kernel", init, (5, 5, x.shape[-1], self.channels))
        bias = self.param("bias", nn.initializers.zeros, (self.channels,))
        y = self.conv(x.astype(self.dtype), kernel.astype(self.dtype)) + bias.astype(self.dtype)
        return checkpoint_name(y, KEPT)


class Norm(nn.Module, kw_only=True):
    """RMSNorm(x) = scale x / √(mean(x²) + 1e-4) over the last axis."""

    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        scale = self.param("scale", nn.initializers.ones, (x.shape[-1],))
        x = x.astype(jnp.float32)
        x = x * jax.lax.rsqrt(jnp.mean(jnp.square(x), axis=-1, keepdims=True) + 1e-4)
        return (x * scale).astype(self.dtype)


class NormAct(Norm):
    """SiLU(RMSNorm(x))."""

    def __call__(self, x: jax.Array) -> jax.Array:
        return jax.nn.silu(super().__call__(x))


class MLP(nn.Module, kw_only=True):
    """`layers` times SiLU(RMSNorm(Linear)): [..., in] -> [..., units]."""

    layers: int
    units: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for i in range(self.layers):
            x = Linear(units=self.units, scale=1.0, dtype=self.dtype, name=f"layer{i}")(x)
            x = NormAct(dtype=self.dtype, name=f"norm{i}")(x)
        return x
