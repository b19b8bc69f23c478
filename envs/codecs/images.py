"""Pictures: boxes of pixels, resized unless they fit the encoder."""

from typing import Any

import numpy as np

from envs.codecs.axes import Grid, grids
from envs.codecs.encoder import Form, Unreadable
from envs.codecs.leaves import short
from envs.codecs.symbols import are_few
from envs.kinds import Image, is_box
from envs.resize import fits, resize

CHANNELS = 32  # most channels of an image
SMALL_SIDE = 8  # pixels; from this side on, bytes with as many channels as colors are an image
LARGE_SIDE = 32  # pixels; from this side on, a box with few channels is an image
FAR = 1e6  # bounds beyond it count as missing
WHITE = 255


def pixels(space: Any) -> Grid | None:
    """The grid of a box that is surely an image; None if it may be something else."""
    if not is_box(space) or not _has_bounds(space):
        return None
    # A table of quantities has separate bounds for each of them.
    alike = all((bound == bound.flat[0]).all() for bound in (space.low, space.high))
    if space.dtype != np.uint8 and not alike:
        return None
    for grid in grids(space.shape):
        height, width, channels = grid.shape
        side = min(height, width)
        small = side >= SMALL_SIDE and channels in (1, 3, 4) and space.dtype == np.uint8
        if small or (side >= LARGE_SIDE and channels <= CHANNELS):
            return grid
    return None


def image(space: Any, grid: Grid | None, size: int) -> Form:
    """A box as an image; `size` is the side in pixels of those that are resized, 0 for none.

    Bytes are pixels as they are. All other numbers are scaled, so that their lower bound is black
    and their upper bound is white; numbers outside of the bounds count as the nearest of them.

    Raises:
        Unreadable: the space cannot be an image.
    """
    if not is_box(space) or grid is None:
        raise Unreadable(f"an image is a Box with 2 to 4 axes, not {short(space)}")
    if not _has_bounds(space):
        raise Unreadable(f"an image needs finite bounds, not {short(space)}")
    height, width, channels = grid.shape
    kept = not size or (height == width and fits(height))
    shape = (height, width) if kept else (size, size)
    scale = None if _is_bytes(space) else _Scale(space)

    def encode(raw: list[Any]) -> np.ndarray:
        values = np.array(raw, np.uint8) if scale is None else scale.bytes(raw)
        found = np.ascontiguousarray(grid.arrange(values), np.uint8)
        return found if kept else resize(found, size)

    bounds = "" if scale is None else f" of {scale.words}"
    resized = "" if kept else f", resized to {size}x{size}x{channels}"
    words = f"picture {height}x{width}x{channels}{bounds}{resized}"
    return Form("image", Image(*shape, channels), encode, words)


class _Scale:
    """Brings numbers between the bounds of a box to 0..255."""

    def __init__(self, space: Any):
        self._low = space.low.astype(np.float32)
        span = space.high.astype(np.float32) - self._low
        self._span = np.where(span > 0, span, 1)  # what never changes is black
        self.words = f"{float(space.low.min()):g}..{float(space.high.max()):g}"

    def bytes(self, raw: list[Any]) -> np.ndarray:
        """E raw values -> [E, ...] uint8."""
        shares = (np.array(raw, np.float32) - self._low) / self._span
        return np.rint(WHITE * np.clip(shares, 0, 1)).astype(np.uint8)


def _is_bytes(space: Any) -> bool:
    """Whether entries are pixels as they are. Bytes of few values are not: all would be dark."""
    return space.dtype == np.uint8 and not are_few(space)


def _has_bounds(space: Any) -> bool:
    bounds = (np.abs(bound.astype(np.float64)) for bound in (space.low, space.high))
    return all((bound <= FAR).all() for bound in bounds)
