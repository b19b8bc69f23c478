"""Matrix products: the gradient of a layer's weights, and rows of a table."""

import chex
import jax
import jax.numpy as jnp


def weight_gradient(x: jax.Array, gradient: jax.Array) -> jax.Array:
    """Σ x gradientᵀ over all rows: [..., in], [..., out] -> [in, out]."""
    chex.assert_equal_shape_prefix([x, gradient], x.ndim - 1)
    rows = tuple(range(x.ndim - 1))
    # Axes stay apart: if they were merged, devices that share the batch would exchange rows.
    return jnp.tensordot(x, gradient, (rows, rows))


def look_up(table: jax.Array, symbols: jax.Array, *, dtype: jnp.dtype) -> jax.Array:
    """Rows of a float32 table: [alphabet, width], [*] integers below `alphabet` -> [*, width]."""
    chex.assert_rank(table, 2)
    chex.assert_type(symbols, int)
    # A product, because the gradient of indexing adds up in no fixed order on an accelerator.
    return jax.nn.one_hot(symbols, len(table), dtype=dtype) @ table.astype(dtype)
