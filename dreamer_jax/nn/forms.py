"""Which form an operation takes on the backend in use: the plain one, or its twin for a CPU.

Only this module decides. The form changes the time and the memory of an operation, not its result.
"""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from dreamer_jax.nn.cpu import blocks as cpu_blocks
from dreamer_jax.nn.cpu import convs as cpu_convs
from dreamer_jax.nn.cpu import products as cpu_products
from dreamer_jax.nn.plain import batches, convs, products


def on_cpu() -> bool:
    """Whether programs are compiled for CPUs."""
    return jax.default_backend() == "cpu"


def on_one_cpu() -> bool:
    """Whether programs are compiled for one CPU, which shares its batch with no other device."""
    return on_cpu() and jax.sharding.get_abstract_mesh().size <= 1  # 0 outside of any mesh


def compute_dtype(name: str) -> jnp.dtype:
    """The type that `name` says; auto: float32 on a CPU, bfloat16 elsewhere."""
    return jnp.dtype(name if name != "auto" else "float32" if on_cpu() else "bfloat16")


def conv5x5_max_pool(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Convolution and 2x2 max pooling: [N, 2 h, 2 w, in], [5, 5, in, out] -> [N, h, w, out]."""
    form = cpu_convs if on_cpu() else convs
    return form.conv5x5_max_pool(x, kernel)


def upsample_conv5x5(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """2x2 upsampling and convolution: [N, h, w, in], [5, 5, in, out] -> [N, 2 h, 2 w, out]."""
    form = cpu_convs if on_cpu() else convs
    return form.upsample_conv5x5(x, kernel)


def convolution(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Convolution for odd k: [N, h, w, in], [k, k, in, out] -> [N, h, w, out]."""
    form = cpu_convs if on_cpu() else convs
    return form.convolution(x, kernel)


def product(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """x W: [..., in], [in, out] -> [..., out]."""
    # Rows that devices share must not be merged, as the form for a CPU does.
    form = cpu_products if on_one_cpu() else products
    return form.product(x, kernel)


def look_up(table: jax.Array, symbols: jax.Array, *, dtype: jnp.dtype) -> jax.Array:
    """Rows of a float32 table: [alphabet, width], [*] integers below `alphabet` -> [*, width]."""
    form = cpu_products if on_cpu() else products
    return form.look_up(table, symbols, dtype=dtype)


def batch_apply(module: nn.Module, *inputs: jax.Array, batch_axes: int) -> jax.Array:
    """Merges `batch_axes` axes for a module that takes one, [N, ...]: [*, ...] -> [*, ...]."""
    form = cpu_blocks if on_cpu() and batch_axes > 1 else batches
    return form.batch_apply(module, *inputs, batch_axes=batch_axes)


def step_by_step(
    function: Callable[..., jax.Array], *inputs: jax.Array, batch_axes: int
) -> jax.Array:
    """`function(*inputs)`, which treats entries of all `batch_axes` alike: [*, ...] -> [*, ...]."""
    if on_one_cpu() and batch_axes > 1:
        return cpu_blocks.step_by_step(function, *inputs)
    return function(*inputs)
