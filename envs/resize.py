"""Image sizes that the encoder accepts, and a resize by area for all others."""

import functools

import numpy as np


def fits(side: int) -> bool:
    """Whether four halvings of `side` pixels leave a whole number from 3 to 16."""
    return side % 16 == 0 and 48 <= side <= 256


def check_side(side: int) -> None:
    """Raises ValueError unless `side` (pixels) fits."""
    if not fits(side):
        raise ValueError(f"size must be a multiple of 16 from 48 to 256 pixels, got {side}")


def check_size(size: int) -> None:
    """As `check_side`, where 0 stands for pictures as they are."""
    if size:
        check_side(size)


def resize(images: np.ndarray, side: int) -> np.ndarray:
    """Resizes [E, H, W, C] uint8 images to [E, side, side, C] uint8.

    Each new pixel is the mean of the area that it covers in the old image. So shrinking does not
    flicker, and growing keeps sharp edges.
    """
    count, height, width, channels = images.shape
    tall = _averaged(images.reshape(count, height, width * channels), side)
    wide = _averaged(tall.reshape(count * side, width, channels), side)
    return np.rint(wide).astype(np.uint8).reshape(count, side, side, channels)


def _averaged(values: np.ndarray, new: int) -> np.ndarray:
    """[N, old, C] -> [N, new, C] float32: each new value is the mean of the old ones it covers.

    Not a product of matrices: they would be nearly all zeros, and NumPy would spread the product
    over threads that wait for each other on busy processors.
    """
    first, *others = zip(*_shares(values.shape[1], new), strict=True)
    index, share = first
    mean = share[:, None] * values[:, index]
    for index, share in others:
        mean += share[:, None] * values[:, index]
    return mean


@functools.cache
def _shares(old: int, new: int) -> tuple[np.ndarray, np.ndarray]:
    """[K, new] indices of the at most K old pixels in each new pixel, and their shares float32.

    The shares of a new pixel sum to 1.
    """
    scale = old / new
    start = np.arange(new) * scale
    count = int(np.max(np.ceil(start + scale) - np.floor(start)))
    pixel = np.floor(start) + np.arange(count)[:, None]
    shared = np.minimum(start + scale, pixel + 1) - np.maximum(start, pixel)
    index = np.minimum(pixel, old - 1).astype(np.int64)
    return index, (np.maximum(shared, 0) / scale).astype(np.float32)
