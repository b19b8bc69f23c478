"""How close pictures are to the true ones, and how much of a codebook is in use."""

import chex
import jax
import jax.numpy as jnp
import numpy as np

TAPS, DEVIATION = 11, 1.5  # of the Gaussian window of SSIM, pixels
C1, C2 = 0.01**2, 0.03**2  # constants of SSIM for pixels in [0, 1]
EXACT = 1e-10  # squared errors below this count as this: PSNR ends at 100 dB


def psnr(error: jax.Array) -> jax.Array:
    """Peak signal-to-noise ratio -10 log10(error) in dB: [*] -> [*], at most 100.

    error: mean squared error of pixels in [0, 1].
    """
    return -10 * jnp.log10(jnp.maximum(error, EXACT))


def ssim(x: jax.Array, y: jax.Array) -> jax.Array:
    """Structural similarity of images, between -1 and 1: [*, h, w, c], [*, h, w, c] -> [*].

    (2 μx μy + C1) (2 σxy + C2) / ((μx² + μy² + C1) (σx² + σy² + C2)), the mean over channels and
    over all windows that lie within the image. Means and covariances are weighed by a Gaussian of
    11x11 pixels; a side below 11 pixels shortens it. (Wang et al., 2004)

    The pixels of both are in [0, 1].
    """
    chex.assert_equal_shape([x, y])
    rows, columns = (_windows(side) for side in x.shape[-3:-1])

    def mean(z: jax.Array) -> jax.Array:
        return jnp.einsum("ih,...hwc,jw->...ijc", rows, z, columns, precision="highest")

    mean_x, mean_y = mean(x), mean(y)
    variance_x = mean(x * x) - mean_x * mean_x
    variance_y = mean(y * y) - mean_y * mean_y
    covariance = mean(x * y) - mean_x * mean_y
    brightness = (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
    structure = (2 * covariance + C2) / (variance_x + variance_y + C2)
    return (brightness * structure).mean((-3, -2, -1))


def moving(images: jax.Array, is_first: jax.Array) -> jax.Array:
    """Which pixels differ from the frame before: [T, *, h, w, c] -> [T, *, h, w, 1] bool.

    A pixel differs if one of its channels does. Nothing moves in the first frame of a clip, nor in
    that of an episode, `is_first` [T, *].
    """
    changed = (images[1:] != images[:-1]).any(-1, keepdims=True)
    changed = jnp.concatenate([jnp.zeros_like(changed[:1]), changed])
    return changed & ~is_first[..., None, None, None]


def error_within(x: jax.Array, y: jax.Array, which: jax.Array) -> jax.Array:
    """Mean squared error of the pixels `which` [*, h, w, 1] of images [*, h, w, c]: [].

    NaN where there are none.
    """
    squares = jnp.square(x - y) * which
    return squares.sum() / (which.sum() * x.shape[-1])


def shares(tokens: jax.Array, *, codes: int) -> jax.Array:
    """How often each code occurs: [*] integers below `codes` -> [codes], their sum is 1."""
    chosen = tokens.ravel() == jnp.arange(codes)[:, None]
    return chosen.mean(-1)


def perplexity(shares: jax.Array) -> jax.Array:
    """exp(-Σ p ln p): [codes] -> [], the number of codes that would be as hard to guess."""
    return jnp.exp(-jax.scipy.special.xlogy(shares, shares).sum())


def _windows(side: int) -> np.ndarray:
    """Weights of the pixels of a side in each window: [windows, side], rows with the sum 1."""
    taps = min(TAPS, side)
    distance = np.arange(taps) - (taps - 1) / 2
    window = np.exp(-np.square(distance / DEVIATION) / 2)
    matrix = np.zeros((side - taps + 1, side), np.float32)
    for i in range(len(matrix)):
        matrix[i, i : i + taps] = window / window.sum()
    return matrix
