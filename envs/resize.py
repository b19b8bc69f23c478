"""Image sizes that the agent can see, and a resize by area for all the others."""

import functools

import numpy as np


def fits(side: int) -> bool:
    """Whether four halvings of `side` pixels leave a whole number from 3 to 16."""
    return side % 16 == 0 and 48 <= side <= 256


def check_side(side: int) -> None:
    """Raises ValueError unless `side` (pixels) fits."""
    if not fits(side):
        raise ValueError(f"size must be a multiple of 16 from 48 to 256 pixels, got {side}")


def resize(images: np.ndarray, side: int) -> np.ndarray:
    """Resizes [E, H, W, C] uint8 images to [E, side, side, C] uint8.

    Each new pixel is the mean of the area that it covers in the old image, so shrinking does not
    flicker and growing keeps sharp edges.
    """
    count, height, width, channels = images.shape
    rows, columns = _overlap(height, side), _overlap(width, side)
    flat = images.astype(np.float32).reshape(count, height, width * channels)
    tall = (rows @ flat).reshape(count, side, width, channels)
    return np.rint(columns @ tall).astype(np.uint8)


@functools.cache
def _overlap(old: int, new: int) -> np.ndarray:
    """[new, old] float32: the share of each old pixel in each new one; rows sum to 1."""
    scale = old / new
    start = np.arange(new)[:, None] * scale
    pixel = np.arange(old)[None, :]
    shared = np.minimum(start + scale, pixel + 1) - np.maximum(start, pixel)
    return (np.maximum(shared, 0) / scale).astype(np.float32)
