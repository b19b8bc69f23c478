"""Pictures and words on a dark ground, put beside and below each other: [h, w, 3] uint8."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Color = tuple[int, int, int]

GROUND: Color = (16, 18, 24)
SURFACE: Color = (27, 30, 39)  # of plots and empty cells
EDGE: Color = (58, 63, 77)
INK: Color = (233, 236, 242)
FAINT: Color = (150, 157, 172)
TRUTH: Color = (96, 178, 255)
DREAM: Color = (255, 178, 88)
WRONG: Color = (255, 96, 100)
GOOD: Color = (112, 216, 148)

GAP = 8  # pixels between parts
SMALL, MEDIUM, LARGE = 12, 14, 19  # heights of letters, pixels
GAIN = 2  # of errors of pixels, so that half of the brightness is already white


@cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The font that comes with Pillow; it has the letters of ASCII and few others."""
    return ImageFont.load_default(size=size)


def empty(height: int, *, width: int, color: Color = GROUND) -> np.ndarray:
    """A picture of one color."""
    picture = np.empty((height, width, 3), np.uint8)
    picture[:] = color
    return picture


def length(text: str, *, size: int = SMALL) -> int:
    """Width of a line of text, pixels."""
    return int(np.ceil(font(size).getlength(text)))


def words(
    *parts: tuple[str, Color] | str, size: int = SMALL, width: int = 0, align: str = "left"
) -> np.ndarray:
    """One line of text, each part in its color; cut off at `width`, if it is given.

    align: where the text stands in a given width, "left", "center" or "right".
    """
    colored = [(part, INK) if isinstance(part, str) else part for part in parts]
    needed = sum(length(text, size=size) for text, _ in colored)
    picture = Image.new("RGB", (width or max(1, needed), round(1.4 * size)), GROUND)
    draw = ImageDraw.Draw(picture)
    left = {"left": 0, "center": (width - needed) / 2, "right": width - needed}[align]
    left = max(0.0, left) if width else 0.0
    for text, color in colored:
        draw.text((left, 0), text, fill=color, font=font(size))
        left += length(text, size=size)
    return np.asarray(picture)


def badge(text: str, color: Color, *, size: int = MEDIUM) -> np.ndarray:
    """A word in a box of its color."""
    width, height = length(text, size=size) + 16, round(1.7 * size)
    picture = Image.new("RGB", (width, height), GROUND)
    draw = ImageDraw.Draw(picture)
    draw.rounded_rectangle((0, 0, width - 1, height - 1), radius=height // 4, fill=color)
    draw.text((8, 0.12 * size), text, fill=GROUND, font=font(size))
    return np.asarray(picture)


def column(parts: Sequence[np.ndarray], *, gap: int = GAP) -> np.ndarray:
    """Pictures below each other, left-aligned."""
    width = max(part.shape[1] for part in parts)
    wide = [placed(part, height=part.shape[0], width=width) for part in parts]
    between = empty(gap, width=width)
    return np.concatenate([x for part in wide for x in (part, between)][:-1], 0)


def row(parts: Sequence[np.ndarray], *, gap: int = GAP) -> np.ndarray:
    """Pictures beside each other, aligned at their tops."""
    height = max(part.shape[0] for part in parts)
    high = [placed(part, height=height, width=part.shape[1]) for part in parts]
    between = empty(height, width=gap)
    return np.concatenate([x for part in high for x in (part, between)][:-1], 1)


def placed(
    picture: np.ndarray, *, height: int, width: int, centered: bool = False, ground: Color = GROUND
) -> np.ndarray:
    """The picture in the corner or in the middle of a larger ground; what is beyond it is cut."""
    if picture.shape[:2] == (height, width):
        return picture
    part = picture[:height, :width]
    top, left = (height - part.shape[0]) // 2, (width - part.shape[1]) // 2
    top, left = (top, left) if centered else (0, 0)
    whole = empty(height, width=width, color=ground)
    whole[top : top + part.shape[0], left : left + part.shape[1]] = part
    return whole


def apart(left: np.ndarray, right: np.ndarray, *, width: int) -> np.ndarray:
    """Two pictures at both ends of a line; the left one is cut where they would meet."""
    room = max(1, width - right.shape[1])
    height = max(left.shape[0], right.shape[0])
    return np.concatenate(
        [placed(left, height=height, width=room), placed(right, height=height, width=width - room)],
        1,
    )


def bordered(picture: np.ndarray, *, margin: int = 2 * GAP, color: Color = GROUND) -> np.ndarray:
    """The picture with a border of one color on all sides."""
    height, width, _ = picture.shape
    size = {"height": height + 2 * margin, "width": width + 2 * margin}
    return placed(picture, **size, centered=True, ground=color)


def scaled(picture: np.ndarray, *, side: int) -> np.ndarray:
    """The picture in a square of `side`, pixels enlarged by a whole factor, or shrunk to fit."""
    height, width, _ = picture.shape
    longest = max(height, width)
    if longest > side:
        size = max(1, width * side // longest), max(1, height * side // longest)
        picture = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))
    else:
        times = side // longest
        picture = picture.repeat(times, 0).repeat(times, 1)
    return placed(picture, height=side, width=side, centered=True, ground=SURFACE)


def whole(picture: np.ndarray, *, about: int) -> int:
    """A side near `about` to which pixels of [..., h, w, 3] are enlarged by a whole factor."""
    longest = max(picture.shape[-3:-1])
    return longest * max(1, round(about / longest))


def difference(truth: np.ndarray, dream: np.ndarray) -> np.ndarray:
    """How far the pixels of two pictures [..., 3] are apart, from black over red to white.

    Of the three colors, the one that differs most counts. Half of the brightness is white.
    """
    far = np.abs(truth.astype(np.int32) - dream).max(-1, keepdims=True) * 3 * GAIN
    return np.clip(far - np.array([0, 255, 510]), 0, 255).astype(np.uint8)


def timeline(seen: int, *, total: int, now: int, width: int, height: int = 5) -> np.ndarray:
    """A bar of all frames: the first `seen` in one color, the others in another; `now` is bright.

    Frames after the present one are dark.
    """
    frame = np.arange(width) * total // width
    color = np.where((frame < seen)[:, None], TRUTH, DREAM).astype(np.float64)
    color *= np.where(frame <= now, 1.0, 0.28)[:, None]
    return np.broadcast_to(color.astype(np.uint8), (height, width, 3))
