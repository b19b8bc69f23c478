"""Work on a part of a batch at a time, so that intermediate values fit into a CPU's caches."""

from collections.abc import Callable
from typing import Any

import chex
import flax.linen as nn
import jax

from dreamer_jax.nn.plain import batches
from dreamer_jax.nn.plain.convs import KEPT

BLOCK = 256  # images that go through a convolutional stack together


def batch_apply(module: nn.Module, *inputs: jax.Array, batch_axes: int) -> jax.Array:
    """Twin of `batches.batch_apply` for two batch axes or more: a few time steps at a time.

    Only values tagged `KEPT` are stored for the backward pass; the rest is cheap and recomputed.
    """
    chex.assert_equal_shape_prefix(inputs, batch_axes)
    batch = inputs[0].shape[:batch_axes]

    def at_once(module: nn.Module, inputs: tuple[jax.Array, ...]) -> jax.Array:
        return batches.batch_apply(module, *inputs, batch_axes=batch_axes)

    most = max(1, BLOCK // batch[1])
    steps = max(k for k in range(1, most + 1) if batch[0] % k == 0)
    blocks = tuple(x.reshape(-1, steps, *x.shape[1:]) for x in inputs)
    policy = jax.checkpoint_policies.save_only_these_names(KEPT)
    block = nn.remat(at_once, policy=policy, prevent_cse=False)

    def step(module: nn.Module, carry: None, inputs: tuple[jax.Array, ...]) -> tuple[None, Any]:
        return carry, block(module, inputs)

    scan = nn.scan(step, variable_broadcast="params", split_rngs={"params": False})
    _, y = scan(module, None, blocks)
    return y.reshape(*batch, *y.shape[1 + batch_axes :])


def step_by_step(function: Callable[..., jax.Array], *inputs: jax.Array) -> jax.Array:
    """Twin of `function(*inputs)`, which treats time steps alike: [T, ...] -> [T, ...].

    The backward pass computes each step again. The values of one step stay in caches both times:
    the loss of a text takes a third of the time (`docs/performance.md`).
    """

    def step(inputs: tuple[jax.Array, ...]) -> jax.Array:
        return function(*inputs)

    return jax.lax.map(jax.checkpoint(step, prevent_cse=False), inputs)
