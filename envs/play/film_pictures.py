"""The frames of a film: images, curves of numbers, and lines of text below them."""

import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

IMAGE_SIDE = 256  # pixels; images are enlarged to about this side, by a whole factor
LARGEST = 512  # pixels; larger pictures of a renderer are reduced by a whole factor
LINE_HEIGHT, MARGIN = 14, 4  # pixels: height of a line of text, space around the text
GAP = 4  # pixels between images
SHOWN_STEPS = 128  # of a curve: the newest ones
LINE, AXIS, TEXT = (90, 180, 255), (60, 60, 60), (230, 230, 230)  # colors of a curve


class Curves(NamedTuple):
    """Numbers of a whole episode, of which each frame shows those until then."""

    names: Sequence[str]  # [n]
    values: np.ndarray  # [T, n]


def enlarge(image: np.ndarray, side: int) -> np.ndarray:
    """Every pixel n x n, so that the longer side is about `side`: [h, w, 3] -> [n h, n w, 3]."""
    times = max(1, side // max(image.shape[:2]))
    return image.repeat(times, 0).repeat(times, 1)


def newest_frame(image: np.ndarray) -> np.ndarray:
    """The newest of stacked frames as RGB: [h, w, c] -> [h, w, 3].

    A multiple of three channels counts as color, any other number as gray frames.
    """
    colors = 3 if image.shape[-1] % 3 == 0 else 1
    return np.broadcast_to(image[..., -colors:], (*image.shape[:2], 3))


def packed(picture: np.ndarray) -> bytes:
    """A picture [h, w, 3] in a tenth of its memory or less, with sides of at most LARGEST."""
    every = -(-max(picture.shape[:2]) // LARGEST)
    buffer = io.BytesIO()
    Image.fromarray(picture).reduce(every).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def unpacked(content: bytes) -> np.ndarray:
    """The inverse of `packed`."""
    return np.asarray(Image.open(io.BytesIO(content)))


def render(parts: Sequence[np.ndarray], lines: Sequence[str], *, room: int) -> np.ndarray:
    """Draws images from left to right on black, above space for `room` lines of text.

    parts: [h, w, 3] uint8 each. Returns [H, W, 3] uint8.
    """
    height, width = max(map(len, parts)), sum(x.shape[1] + GAP for x in parts) - GAP
    size = max(width, IMAGE_SIDE), height + room * LINE_HEIGHT + 2 * MARGIN
    picture = Image.new("RGB", size)
    left = 0
    for part in parts:
        picture.paste(Image.fromarray(part), (left, 0))
        left += part.shape[1] + GAP
    draw = ImageDraw.Draw(picture)
    for i, line in enumerate(lines):
        draw.text((MARGIN, height + MARGIN + i * LINE_HEIGHT), line, fill="white")
    return np.asarray(picture)


def drawn(curves: Curves, now: int, *, height: int) -> np.ndarray:
    """The newest values of each number up to step `now`, each in its own strip: [h, w, 3] uint8.

    The scale of a strip is that of the whole episode, so that it does not jump.
    """
    strip = max(2 * LINE_HEIGHT, height // len(curves.names))
    picture = Image.new("RGB", (IMAGE_SIDE, strip * len(curves.names)))
    draw = ImageDraw.Draw(picture)
    low, high = curves.values.min(0), curves.values.max(0)
    span = np.where(high > low, high - low, 1)
    first = max(0, now + 1 - SHOWN_STEPS)
    shown = (curves.values[first : now + 1] - low) / span
    for i, name in enumerate(curves.names):
        top, bottom = i * strip + LINE_HEIGHT, (i + 1) * strip - 3
        draw.line([(0, bottom + 1), (IMAGE_SIDE, bottom + 1)], fill=AXIS)
        across = np.arange(len(shown)) * IMAGE_SIDE / SHOWN_STEPS
        points = zip(across.tolist(), (bottom - shown[:, i] * (bottom - top)).tolist(), strict=True)
        draw.line(list(points), fill=LINE, width=2)
        text = f"{name}  {curves.values[now, i]:.3g}"
        draw.text((MARGIN, i * strip), text, fill=TEXT)
    return np.asarray(picture)
