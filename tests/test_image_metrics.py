"""Metrics of pictures against formulas in NumPy and SciPy."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from dreamer_jax.world_model import image_metrics


def images(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape).astype(np.float32)


def test_psnr() -> None:
    found = image_metrics.psnr(jnp.array([0.1, 0.001, 0.0]))
    np.testing.assert_allclose(found, [10, 30, 100], rtol=1e-5)


def ssim(x: np.ndarray, y: np.ndarray) -> float:
    """One channel, as Wang et al. define it: 11x11 Gaussian, windows within the image alone."""

    def mean(z: np.ndarray) -> np.ndarray:
        return gaussian_filter(z, 1.5, truncate=3.5)[5:-5, 5:-5]

    x, y = x.astype(np.float64), y.astype(np.float64)
    mx, my = mean(x), mean(y)
    vx, vy, vxy = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    c1, c2 = 0.01**2, 0.03**2
    similarity = (2 * mx * my + c1) * (2 * vxy + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    return float(similarity.mean())


def test_ssim() -> None:
    x = images(2, 20, 16, 3)
    y = np.clip(x + 0.3 * images(2, 20, 16, 3, seed=1), 0, 1)
    found = image_metrics.ssim(jnp.asarray(x), jnp.asarray(y))
    expected = [np.mean([ssim(x[i, ..., c], y[i, ..., c]) for c in range(3)]) for i in range(2)]
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    np.testing.assert_allclose(image_metrics.ssim(jnp.asarray(x), jnp.asarray(x)), 1, rtol=1e-5)


def test_ssim_of_small_images() -> None:
    """A side below 11 pixels is one window."""
    x = jnp.asarray(images(8, 12, 1))
    assert image_metrics.ssim(x, x) == pytest.approx(1, rel=1e-5)
    assert image_metrics.ssim(x, 1 - x) < 0.5


def test_what_moves() -> None:
    """Not in a first frame; one channel is enough."""
    frames = np.zeros((3, 2, 4, 4, 3), np.uint8)
    frames[1, 0, 1, 2, 1] = 7  # appears and goes
    frames[2, 1, 3, 3] = 9  # in the first frame of an episode
    is_first = np.zeros((3, 2), bool)
    is_first[2, 1] = True
    found = np.asarray(image_metrics.moving(jnp.asarray(frames), jnp.asarray(is_first)))
    assert [tuple(i) for i in np.argwhere(found)] == [(1, 0, 1, 2, 0), (2, 0, 1, 2, 0)]


def test_the_error_within() -> None:
    x, y, which = images(2, 4, 4, 3), images(2, 4, 4, 3, seed=1), images(2, 4, 4, 1) < 0.4
    found = image_metrics.error_within(jnp.asarray(x), jnp.asarray(y), jnp.asarray(which))
    np.testing.assert_allclose(found, np.square(x - y)[which[..., 0]].mean(), rtol=1e-5)
    nowhere = jnp.zeros_like(which)
    assert np.isnan(image_metrics.error_within(jnp.asarray(x), jnp.asarray(y), nowhere))


def test_codes_in_use() -> None:
    tokens = jnp.array([[0, 0, 2], [2, 3, 0]])
    shares = image_metrics.shares(tokens, codes=5)
    np.testing.assert_allclose(shares, np.array([3, 0, 2, 1, 0]) / 6, rtol=1e-6)
    p = np.array([3, 2, 1]) / 6
    expected = np.exp(-(p * np.log(p)).sum())
    np.testing.assert_allclose(image_metrics.perplexity(shares), expected, rtol=1e-5)
    np.testing.assert_allclose(image_metrics.perplexity(jnp.full(8, 1 / 8)), 8, rtol=1e-5)
