"""Building blocks of every network. Parameters are float32; `dtype` is what they compute in."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np


def truncated_normal(scale: float, fan_in: int) -> Callable[..., jax.Array]:
    """Normal cut at two deviations, rescaled to a standard deviation of scale / √fan_in."""
    # 0.8796 is the deviation of a unit normal after it is cut at ±2.
    stddev = scale / 0.87962566 / np.sqrt(fan_in)

    def init(key: jax.Array, shape: tuple[int, ...], dtype: jnp.dtype = jnp.float32) -> jax.Array:
        return stddev * jax.random.truncated_normal(key, -2, 2, shape, dtype)

    return init


class Linear(nn.Module):
    """y = x W + b: [..., in] -> [..., units]."""

    units: int
    scale: float
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        init = truncated_normal(self.scale, x.shape[-1])
        kernel = self.param("kernel", init, (x.shape[-1], self.units))
        bias = self.param("bias", nn.initializers.zeros, (self.units,))
        return x.astype(self.dtype) @ kernel.astype(self.dtype) + bias.astype(self.dtype)


class BlockLinear(nn.Module):
    """A block-diagonal linear layer: [..., G, in] -> [..., G, units], block g with its own weights."""

    units: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        blocks, width = x.shape[-2:]
        # The fan-in is that of the whole layer, as in the reference: blocks start √G smaller.
        init = truncated_normal(1.0, blocks * width)
        kernel = self.param("kernel", init, (blocks, width, self.units))
        bias = self.param("bias", nn.initializers.zeros, (blocks, self.units))
        y = jnp.einsum("...gi,gio->...go", x.astype(self.dtype), kernel.astype(self.dtype))
        return y + bias.astype(self.dtype)


class Conv(nn.Module):
    """A 5x5 convolution with stride 1 and SAME padding: [N, h, w, in] -> [N, h, w, channels]."""

    channels: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        init = truncated_normal(1.0, 25 * x.shape[-1])
        kernel = self.param("kernel", init, (5, 5, x.shape[-1], self.channels))
        bias = self.param("bias", nn.initializers.zeros, (self.channels,))
        y = jax.lax.conv_general_dilated(
            x.astype(self.dtype),
            kernel.astype(self.dtype),
            window_strides=(1, 1),
            padding="SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        return y + bias.astype(self.dtype)


class NormAct(nn.Module):
    """SiLU(RMSNorm(x)), with RMSNorm(x) = scale x / √(mean(x²) + 1e-4) over the last axis."""

    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        scale = self.param("scale", nn.initializers.ones, (x.shape[-1],))
        x = x.astype(jnp.float32)
        x = x * jax.lax.rsqrt(jnp.mean(jnp.square(x), axis=-1, keepdims=True) + 1e-4)
        return jax.nn.silu((x * scale).astype(self.dtype))


class MLP(nn.Module):
    """`layers` times SiLU(RMSNorm(Linear)): [..., in] -> [..., units]."""

    layers: int
    units: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for i in range(self.layers):
            x = Linear(self.units, 1.0, self.dtype, name=f"layer{i}")(x)
            x = NormAct(self.dtype, name=f"norm{i}")(x)
        return x


def batch_major(x: jax.Array, event: int) -> jax.Array:
    """Merges the batch axes into one, the last of them outermost: [T, B, ...] -> [B * T, ...].

    The last axis is the one that a mesh shards: kept outermost, merging moves nothing between devices.
    `event` is the number of trailing axes that stay.
    """
    batch = x.ndim - event
    return jnp.moveaxis(x, batch - 1, 0).reshape(-1, *x.shape[batch:])


def batch_minor(x: jax.Array, batch: tuple[int, ...]) -> jax.Array:
    """The inverse of `batch_major`: [B * T, ...] -> [*batch, ...]."""
    x = x.reshape(batch[-1], *batch[:-1], *x.shape[1:])
    return jnp.moveaxis(x, 0, len(batch) - 1)
