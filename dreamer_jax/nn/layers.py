"""Building blocks of every network. Parameters are float32; `dtype` is what they compute in."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.ad_checkpoint import checkpoint_name

from dreamer_jax.nn.convs import KEPT

MANY = 4096  # rows of a product beyond which the order of its gradient matters
BLOCK = 256  # images that go through a convolutional stack together, on a CPU
STAGES = (2, 3, 4, 4)  # channels of the encoder's convolutions in multiples of its depth


def truncated_normal(scale: float, fan_in: int) -> Callable[..., jax.Array]:
    """Normal cut at two deviations, rescaled to a standard deviation of scale / √fan_in."""
    # 0.8796 is the deviation of a unit normal after it is cut at ±2.
    stddev = scale / 0.87962566 / np.sqrt(fan_in)

    def init(key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
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
        return product(x.astype(self.dtype), kernel.astype(self.dtype)) + bias.astype(self.dtype)


@jax.custom_vjp
def product(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """x W: [..., in], [in, units] -> [..., units]."""
    return x @ kernel


def _product_forward(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, Any]:
    return x @ kernel, (x, kernel)


def _product_backward(kept: Any, gradient: jax.Array) -> tuple[jax.Array, jax.Array]:
    x, kernel = kept
    steps = tuple(range(x.ndim - 1))
    many, wide = x.size > MANY * len(kernel), kernel.shape[0] > kernel.shape[1]
    if on_one_cpu() and many and wide:
        # On a CPU a product takes half as long if the wider matrix is on its right; without the
        # barrier the compiler turns them around again.
        rows, changes = (array.reshape(-1, array.shape[-1]) for array in (x, gradient))
        weights = jax.lax.optimization_barrier(changes.T @ rows).T
    else:
        # Axes stay apart: merged, devices that share the batch would fetch each other's rows.
        weights = jnp.tensordot(x, gradient, (steps, steps))
    return gradient @ kernel.T, weights


product.defvjp(_product_forward, _product_backward)


def on_one_cpu() -> bool:
    """Whether a program is for a CPU, and shares its batch with no other device."""
    alone = jax.sharding.get_abstract_mesh().size <= 1  # 0 outside of any mesh
    return jax.default_backend() == "cpu" and alone


class BlockLinear(nn.Module):
    """A block-diagonal linear layer; block g has its own weights: [..., G, in] -> [..., G, units].

    A second input may be shown to all blocks alike: y_g = [x_g, shared] W_g + b_g.
    """

    units: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x: jax.Array, shared: jax.Array | None = None) -> jax.Array:
        """x [..., G, in], shared [..., n] or None -> [..., G, units]."""
        blocks, own = x.shape[-2:]
        width = own if shared is None else own + shared.shape[-1]
        # The fan-in is that of the whole layer, as in the reference: blocks start √G smaller.
        init = truncated_normal(1.0, blocks * width)
        kernel = self.param("kernel", init, (blocks, width, self.units)).astype(self.dtype)
        bias = self.param("bias", nn.initializers.zeros, (blocks, self.units))
        # Blocks first, as batched products have them: in other orders the compiler turns the
        # result, and all that is done with it, into a form that takes 2.5 times as long on CPU.
        x = jnp.moveaxis(x.astype(self.dtype), -2, 0)
        y = jnp.moveaxis(jnp.einsum("g...i,gio->g...o", x, kernel[:, :own]), 0, -2)
        if shared is not None:
            # One dense product, instead of a copy of the shared input for each block.
            y += jnp.einsum("...i,gio->...go", shared.astype(self.dtype), kernel[:, own:])
        return y + bias.astype(self.dtype)


class Conv(nn.Module):
    """One of `convs` and a bias: [N, h, w, in] -> [N, h', w', channels]."""

    channels: int
    conv: Callable[[jax.Array, jax.Array], jax.Array]
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        init = truncated_normal(1.0, 25 * x.shape[-1])
        kernel = self.param("kernel", init, (5, 5, x.shape[-1], self.channels))
        bias = self.param("bias", nn.initializers.zeros, (self.channels,))
        y = self.conv(x.astype(self.dtype), kernel.astype(self.dtype)) + bias.astype(self.dtype)
        return checkpoint_name(y, KEPT)


class Norm(nn.Module):
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


def by_blocks(module: nn.Module, batch: tuple[int, ...], *inputs: jax.Array) -> jax.Array:
    """Runs a module that takes [N, ...] on inputs [*batch, ...]: on a CPU, a few steps at a time.

    What lies between the layers then fits into caches, and of it only what layers mark as `KEPT`
    waits for the way back; the rest, which is quick to compute, is computed again.
    """

    def merged(module: nn.Module, inputs: tuple[jax.Array, ...]) -> jax.Array:
        rank = len(batch)
        y = module(*(batch_major(x, x.ndim - rank) for x in inputs))
        return batch_minor(y, inputs[0].shape[:rank])

    if jax.default_backend() != "cpu" or len(batch) < 2:
        return merged(module, inputs)
    most = max(1, BLOCK // batch[1])
    steps = max(k for k in range(1, most + 1) if batch[0] % k == 0)
    blocks = tuple(x.reshape(-1, steps, *x.shape[1:]) for x in inputs)
    policy = jax.checkpoint_policies.save_only_these_names(KEPT)
    block = nn.remat(merged, policy=policy, prevent_cse=False)
    scan = nn.scan(
        lambda module, _, inputs: (None, block(module, inputs)),
        variable_broadcast="params",
        split_rngs={"params": False},
    )
    _, y = scan(module, None, blocks)
    return y.reshape(*batch, *y.shape[1 + len(batch) :])


def batch_major(x: jax.Array, event: int) -> jax.Array:
    """Merges the batch axes into one, the last of them outermost: [T, B, ...] -> [B * T, ...].

    The last axis is the one that a mesh shards: kept outermost, merging moves nothing between
    devices. `event` is the number of trailing axes that stay.
    """
    batch = x.ndim - event
    return jnp.moveaxis(x, batch - 1, 0).reshape(-1, *x.shape[batch:])


def batch_minor(x: jax.Array, batch: tuple[int, ...]) -> jax.Array:
    """The inverse of `batch_major`: [B * T, ...] -> [*batch, ...]."""
    x = x.reshape(batch[-1], *batch[:-1], *x.shape[1:])
    return jnp.moveaxis(x, 0, len(batch) - 1)
