"""5x5 convolutions, with forms and gradients that run well on CPU, inside loops too."""

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name

KEPT = "kept"  # name of what is worth its memory until the way back
NARROW = 16  # up to as many channels XLA's CPU convolution gains (up to 2x) from 2x2 squares


def conv5x5_max_pool(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Largest output of each 2x2 square: [N, 2 h, 2 w, in], [5, 5, in, out] -> [N, h, w, out].

    The convolution has stride 1 and SAME padding:
    y[n, i, j] = Σ_ab x[n, i + a - 2, j + b - 2] kernel[a, b], with x = 0 outside.
    """
    channels = x.shape[-1]
    if jax.default_backend() != "cpu":
        return max_pool(_lax_conv(x, kernel))
    if channels > NARROW:
        return max_pool(_conv(x, kernel))
    taps = _flat(_phases(kernel).swapaxes(1, 2), 4 * channels)
    # The outputs of a square lie side by side: they are compared where they are.
    return largest(*jnp.split(_conv(space_to_depth(x), taps), 4, axis=-1))


def max_pool(x: jax.Array) -> jax.Array:
    """The largest of each 2x2 square: [N, 2 h, 2 w, c] -> [N, h, w, c]."""
    # Slices, not a reshape and `max`: the encoder's forward and backward pass on CPU is 10% faster.
    return largest(*(x[:, row::2, column::2] for row in range(2) for column in range(2)))


@jax.custom_vjp
def largest(a: jax.Array, b: jax.Array, c: jax.Array, d: jax.Array) -> jax.Array:
    """The largest of four, entry by entry; the gradient goes to the first of those that are it.

    Which one it was is all that waits for the way back: a byte instead of four numbers.
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
    """The same convolution of x repeated 2x2: [N, h, w, in], [5, 5, in, out] -> [N, 2 h, 2 w, out].

    A pixel of the output sees 3x3 of x; taps that read the same one are summed: 9 instead of 25.
    This is exact at the borders: the two zeros beside the repeated image are one beside x.
    """
    taps = _flat(_phases(kernel).sum((1, 3)), x.shape[-1])
    return depth_to_space(_conv(x, taps) if jax.default_backend() == "cpu" else _lax_conv(x, taps))


def space_to_depth(x: jax.Array) -> jax.Array:
    """2x2 squares to channels: [N, 2 h, 2 w, c] -> [N, h, w, 4 c]."""
    n, h, w, c = x.shape
    return x.reshape(n, h // 2, 2, w // 2, 2 * c).swapaxes(2, 3).reshape(n, h // 2, w // 2, 4 * c)


def depth_to_space(x: jax.Array) -> jax.Array:
    """The inverse of `space_to_depth`: [N, h, w, 4 c] -> [N, 2 h, 2 w, c]."""
    n, h, w, c = x.shape
    return x.reshape(n, h, w, 2, c // 2).swapaxes(2, 3).reshape(n, 2 * h, 2 * w, c // 4)


def _phases(kernel: jax.Array) -> jax.Array:
    """The taps of each pixel of a 2x2 square: [5, 5, in, out] -> [3, 2, 3, 2, in, 2, 2, out].

    The square and its 3x3 neighbours are 6x6 pixels; pixel (p, q) reads 5x5 of them from (p, q).
    """
    rows = jnp.stack([jnp.pad(kernel, ((p, 1 - p), *[(0, 0)] * 3)) for p in range(2)], 3)
    both = jnp.stack([jnp.pad(rows, ((0, 0), (q, 1 - q), *[(0, 0)] * 3)) for q in range(2)], 4)
    return both.reshape(3, 2, 3, 2, *both.shape[2:])


def _flat(taps: jax.Array, channels: int) -> jax.Array:
    return taps.reshape(3, 3, channels, -1)


def _lax_conv(x: jax.Array, kernel: jax.Array) -> jax.Array:
    layout = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=layout)


@jax.custom_vjp
def _conv(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """`_lax_conv` for an odd kernel, with gradients in forms that XLA's CPU compiler knows.

    Those of `_lax_conv` it compiles to naive code within a loop: 10 to 70 times slower.
    """
    return _lax_conv(x, kernel)


def _forward(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _lax_conv(x, kernel), (x, kernel)


def _backward(saved: tuple[jax.Array, jax.Array], dy: jax.Array) -> tuple[jax.Array, jax.Array]:
    x, kernel = saved
    turned = kernel[::-1, ::-1].swapaxes(2, 3)
    return _lax_conv(dy, turned), _kernel_gradient(x, dy, len(kernel)).astype(kernel.dtype)


_conv.defvjp(_forward, _backward)


def _kernel_gradient(x: jax.Array, dy: jax.Array, taps: int) -> jax.Array:
    """[N, h, w, in], [N, h, w, out] -> [taps, taps, in, out] in float32, as matrix products.

    Σ x[i + a, j + b] dy[i, j] = Σ x[i, j + b] dy[i - a, j]: x moves along the rows and dy along the
    columns, so that `taps` copies of each, not taps² of one, give all taps in a single product.
    """
    r, (h, w) = taps // 2, x.shape[1:3]

    def add(total: jax.Array, image: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        wide = jnp.pad(image[0], ((0, 0), (r, r), (0, 0)))
        high = jnp.pad(image[1], ((r, r), (0, 0), (0, 0)))
        wide = jnp.concatenate([wide[:, b : b + w] for b in range(taps)], -1)
        high = jnp.concatenate([high[a : a + h] for a in reversed(range(taps))], -1)
        product = jnp.einsum("hwi,hwo->io", wide, high, preferred_element_type=jnp.float32)
        return total + product, None

    # One image at a time, whose copies stay in cache: 1.5 times faster than 16, 3 than all 1024.
    total = jnp.zeros((taps * x.shape[-1], taps * dy.shape[-1]))
    total, _ = jax.lax.scan(add, total, (x, dy))
    return total.reshape(taps, x.shape[-1], taps, -1).transpose(2, 0, 1, 3)
