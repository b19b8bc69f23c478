"""Convolutions that keep, halve or double the sides of images; `cpu.convs` holds their twins."""

import chex
import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name

KEPT = "kept"  # name of values worth storing for the backward pass


def convolution(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Stride 1, SAME padding: [N, h, w, in], [k, k, in, out] -> [N, h, w, out].

    For k = 5: y[n, i, j] = Σ_ab x[n, i + a - 2, j + b - 2] kernel[a, b], with x = 0 outside.
    """
    chex.assert_rank([x, kernel], 4)
    layout = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=layout)


def conv5x5_max_pool(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Largest output of each 2x2 square: [N, 2 h, 2 w, in], [5, 5, in, out] -> [N, h, w, out]."""
    return max_pool(convolution(x, kernel))


def max_pool(x: jax.Array) -> jax.Array:
    """The largest of each 2x2 square: [N, 2 h, 2 w, c] -> [N, h, w, c]."""
    for side in x.shape[1:3]:
        chex.assert_is_divisible(side, 2)
    return largest(*(x[:, row::2, column::2] for row in range(2) for column in range(2)))


@jax.custom_vjp
def largest(a: jax.Array, b: jax.Array, c: jax.Array, d: jax.Array) -> jax.Array:
    """The largest of four arrays, entry by entry: four times [*] -> [*].

    The gradient goes to the first of those that are largest. The backward pass stores only which
    one that was: one byte instead of four numbers.
    """
    return jnp.maximum(jnp.maximum(a, b), jnp.maximum(c, d))


def _largest(*corners: jax.Array) -> tuple[jax.Array, jax.Array]:
    y = largest(*corners)
    a, b, c, _ = (corner == y for corner in corners)
    first = jnp.where(a, 0, jnp.where(b, 1, jnp.where(c, 2, 3)))
    return y, checkpoint_name(first.astype(jnp.uint8), KEPT)


def _to_the_largest(first: jax.Array, dy: jax.Array) -> tuple[jax.Array, ...]:
    return tuple(jnp.where(first == i, dy, 0) for i in range(4))


largest.defvjp(_largest, _to_the_largest)


def upsample_conv5x5(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """`convolution` of x repeated 2x2: [N, h, w, in], [5, 5, in, out] -> [N, 2 h, 2 w, out]."""
    return depth_to_space(convolution(x, upsampling_taps(kernel)))


def upsampling_taps(kernel: jax.Array) -> jax.Array:
    """A kernel for the four outputs above each pixel: [5, 5, in, out] -> [3, 3, in, 4 out].

    An output reads 3x3 different pixels of the image before it was repeated. Taps that read the
    same pixel are summed: 9 products instead of 25. This is exact at the borders, where two zeros
    next to the repeated image are one zero next to x.
    """
    return merged_taps(square_taps(kernel).sum((1, 3)), channels=kernel.shape[2])


def depth_to_space(x: jax.Array) -> jax.Array:
    """Channels to 2x2 squares: [N, h, w, 4 c] -> [N, 2 h, 2 w, c]."""
    n, h, w, c = x.shape
    chex.assert_is_divisible(c, 4)
    return x.reshape(n, h, w, 2, c // 2).swapaxes(2, 3).reshape(n, 2 * h, 2 * w, c // 4)


def space_to_depth(x: jax.Array) -> jax.Array:
    """The inverse of `depth_to_space`: [N, 2 h, 2 w, c] -> [N, h, w, 4 c]."""
    n, h, w, c = x.shape
    for side in (h, w):
        chex.assert_is_divisible(side, 2)
    return x.reshape(n, h // 2, 2, w // 2, 2 * c).swapaxes(2, 3).reshape(n, h // 2, w // 2, 4 * c)


def square_taps(kernel: jax.Array) -> jax.Array:
    """The taps of each pixel of a 2x2 square: [5, 5, in, out] -> [3, 2, 3, 2, in, 2, 2, out].

    The square and its neighbors are 3x3 squares, so 6x6 pixels. Pixel (p, q) of the square reads
    5x5 of them, starting at (p, q).
    """
    chex.assert_shape(kernel, (5, 5, None, None))
    rows = jnp.stack([jnp.pad(kernel, ((p, 1 - p), *[(0, 0)] * 3)) for p in range(2)], 3)
    both = jnp.stack([jnp.pad(rows, ((0, 0), (q, 1 - q), *[(0, 0)] * 3)) for q in range(2)], 4)
    return both.reshape(3, 2, 3, 2, *both.shape[2:])


def merged_taps(taps: jax.Array, *, channels: int) -> jax.Array:
    """Taps as a kernel for `channels` inputs: [3, 3, ...] -> [3, 3, channels, all the rest]."""
    return taps.reshape(3, 3, channels, -1)
