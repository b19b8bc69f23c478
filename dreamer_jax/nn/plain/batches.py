"""Any number of batch axes as one, for modules that take one."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp


def batch_apply(module: nn.Module, *inputs: jax.Array, batch_axes: int) -> jax.Array:
    """Merges `batch_axes` axes for a module that takes one, [N, ...]: [*, ...] -> [*, ...]."""
    chex.assert_equal_shape_prefix(inputs, batch_axes)
    merged = (batch_major(x, event_axes=x.ndim - batch_axes) for x in inputs)
    return batch_minor(module(*merged), batch=inputs[0].shape[:batch_axes])


def batch_major(x: jax.Array, *, event_axes: int) -> jax.Array:
    """Merges the batch axes into one, the last of them outermost: [T, B, ...] -> [B * T, ...].

    A mesh shards the last batch axis. As that axis stays outermost, merging moves nothing between
    devices. `event_axes` is the number of trailing axes that stay.
    """
    batch_axes = x.ndim - event_axes
    return jnp.moveaxis(x, batch_axes - 1, 0).reshape(-1, *x.shape[batch_axes:])


def batch_minor(x: jax.Array, *, batch: tuple[int, ...]) -> jax.Array:
    """The inverse of `batch_major`: [B * T, ...] -> [*batch, ...]."""
    x = x.reshape(batch[-1], *batch[:-1], *x.shape[1:])
    return jnp.moveaxis(x, 0, len(batch) - 1)
