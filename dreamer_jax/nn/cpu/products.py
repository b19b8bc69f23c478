"""Matrix products in the order that a CPU computes faster, and indexing instead of a product."""

import chex
import jax
import jax.numpy as jnp

MANY = 4096  # rows of a product beyond which the order of its gradient matters


@jax.custom_vjp
def product(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Twin of `products.product`: [..., in], [in, out] -> [..., out]."""
    return x @ kernel


def _forward(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return x @ kernel, (x, kernel)


def _backward(
    saved: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, kernel = saved
    return gradient @ kernel.T, _kernel_gradient(x, gradient)


product.defvjp(_forward, _backward)


def _kernel_gradient(x: jax.Array, gradient: jax.Array) -> jax.Array:
    """Σ x gradientᵀ over all rows: [..., in], [..., out] -> [in, out]."""
    inputs, outputs, axes = x.shape[-1], gradient.shape[-1], tuple(range(x.ndim - 1))
    if x.size <= MANY * inputs or inputs <= outputs:
        return jnp.tensordot(x, gradient, (axes, axes))
    # A product takes half as long with the wider matrix on its right. Without the barrier the
    # compiler swaps them back.
    rows, changes = (array.reshape(-1, array.shape[-1]) for array in (x, gradient))
    return jax.lax.optimization_barrier(changes.T @ rows).T


def look_up(table: jax.Array, symbols: jax.Array, *, dtype: jnp.dtype) -> jax.Array:
    """Twin of `products.look_up`: [alphabet, width], [*] integers below `alphabet` -> [*, width].

    The product would take longer than all the rest of a small network. The gradient is summed in
    float32: in a narrower type, a long sum would stop growing.
    """
    chex.assert_rank(table, 2)
    chex.assert_type(symbols, int)
    return table[symbols].astype(dtype)
