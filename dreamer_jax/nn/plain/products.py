"""Matrix products: of a layer, and of a table whose rows are looked up."""

import chex
import jax
import jax.numpy as jnp


def product(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """x W: [..., in], [in, out] -> [..., out]."""
    return x @ kernel


def look_up(table: jax.Array, symbols: jax.Array, *, dtype: jnp.dtype) -> jax.Array:
    """Rows of a float32 table: [alphabet, width], [*] integers below `alphabet` -> [*, width]."""
    chex.assert_rank(table, 2)
    chex.assert_type(symbols, int)
    # A product, because the gradient of indexing adds up in no fixed order on an accelerator.
    return jax.nn.one_hot(symbols, len(table), dtype=dtype) @ table.astype(dtype)
