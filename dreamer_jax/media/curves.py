"""Numbers over time, and numbers against each other."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from dreamer_jax.media.panels import (
    DREAM,
    EDGE,
    FAINT,
    INK,
    SMALL,
    SURFACE,
    TRUTH,
    WRONG,
    Color,
    apart,
    column,
    font,
    words,
)

FINE = 3  # points of a plot are drawn so many times larger, so that lines are smooth
THICK = 1.7  # pixels, of a curve
ROOM = 0.1  # of the range, above and below the curves
SHADE = 0.35  # of the color of an error between two curves
LABEL = 10  # height of the numbers at an axis, pixels


class Curve(NamedTuple):
    """Numbers over time, NaN where there is none."""

    values: np.ndarray  # [T]
    color: Color


def limits(*values: np.ndarray, least: float = 1e-3) -> tuple[float, float]:
    """A range that holds all finite values with some room; at least about `least` wide."""
    every = np.concatenate([np.ravel(x) for x in values]).astype(np.float64)
    every = every[np.isfinite(every)]
    low, high = (float(every.min()), float(every.max())) if len(every) else (0.0, 1.0)
    room = max(ROOM * (high - low), least / 2 + 0.01 * abs(high))
    return low - room, high + room


def plot(
    title: str,
    curves: Sequence[Curve],
    *,
    now: int,
    seen: int,
    height: int,
    width: int,
    within: tuple[float, float] | None = None,
    shade: bool = True,
) -> np.ndarray:
    """Curves that have grown up to a moment, below their name and their newest values.

    Args:
      title: name of the numbers.
      curves: one, or two between which the error is shaded, each [T].
      now: the last moment that is drawn. The axis always has room for all T.
      seen: how many moments come before the dream, which begins at a vertical line.
      height: pixels, without the title.
      width: pixels.
      within: lowest and highest number on the axis; default: what the whole curves need.
      shade: whether to shade between the first two curves.
    """
    low, high = within or limits(*(curve.values for curve in curves))
    total = len(curves[0].values)
    picture = Image.new("RGB", (FINE * width, FINE * height), SURFACE)
    draw = ImageDraw.Draw(picture)
    x = (np.arange(total) + 0.5) * FINE * width / total

    def points(values: np.ndarray) -> list[tuple[float, float]]:
        shown = np.arange(total) <= now
        keep = np.isfinite(values) & shown
        y = (high - values[keep]) / (high - low) * FINE * height
        return list(zip(x[keep].tolist(), y.tolist(), strict=True))

    border = seen * FINE * width / total
    draw.line([(border, 0), (border, FINE * height)], fill=EDGE, width=FINE)
    if shade and len(curves) == 2:
        edges = [points(np.where(np.isfinite(curves[1 - i].values), curves[i].values, np.nan)) for i in (0, 1)]
        if len(edges[0]) > 1:
            ink = tuple(int(s + SHADE * (c - s)) for s, c in zip(SURFACE, WRONG, strict=True))
            draw.polygon([*edges[0], *edges[1][::-1]], fill=ink)
    for curve in curves:
        line = points(curve.values)
        if len(line) > 1:
            draw.line(line, fill=curve.color, width=round(FINE * THICK), joint="curve")
        if line:
            _dot(draw, line[-1], color=curve.color, radius=FINE * THICK * 1.3)
    picture = picture.resize((width, height), Image.Resampling.BOX)
    draw = ImageDraw.Draw(picture)
    for number, top in ((high, 1), (low, height - LABEL - 3)):
        draw.text((4, top), short(number), fill=FAINT, font=font(LABEL))
    newest = [(f"  {short(c.values[now])}", c.color) for c in curves if np.isfinite(c.values[now])]
    heading = apart(words((title, FAINT)), words(*newest or [" "]), width=width)
    return column([heading, np.asarray(picture)], gap=1)


def scatter(
    title: str,
    note: str,
    *,
    truth: np.ndarray,
    dream: np.ndarray,
    side: int,
    within: tuple[float, float] | None = None,
) -> np.ndarray:
    """Dreamt numbers [N] (up) against true ones [N] (to the right); equal ones lie on the line."""
    low, high = within or limits(truth, dream)
    picture = Image.new("RGB", (FINE * side, FINE * side), SURFACE)
    draw = ImageDraw.Draw(picture, "RGBA")

    def at(x: float, y: float) -> tuple[float, float]:
        scale = FINE * side / (high - low)
        return (x - low) * scale, (high - y) * scale

    for tick in ticks(low, high):
        draw.line([at(tick, low), at(tick, high)], fill=(*EDGE, 110), width=FINE)
        draw.line([at(low, tick), at(high, tick)], fill=(*EDGE, 110), width=FINE)
    draw.line([at(low, low), at(high, high)], fill=(*TRUTH, 255), width=2 * FINE)
    for x, y in zip(truth.tolist(), dream.tolist(), strict=True):
        _dot(draw, at(x, y), color=(*DREAM, 150), radius=FINE * 3.2)
    picture = picture.resize((side, side), Image.Resampling.BOX)
    draw = ImageDraw.Draw(picture)
    for tick in ticks(low, high):
        x, y = (v / FINE for v in at(tick, tick))
        draw.text((x + 3, side - LABEL - 5), short(tick), fill=FAINT, font=font(LABEL))
        draw.text((4, y + 1), short(tick), fill=FAINT, font=font(LABEL))
    parts = [
        words((title, INK), size=SMALL + 3),
        words((note, FAINT)),
        np.asarray(picture),
        words(("realized return, to the right; dreamt return, up", FAINT), width=side),
    ]
    return column(parts, gap=5)


def ticks(low: float, high: float) -> list[float]:
    """About four round numbers between two others."""
    raw = (high - low) / 4
    power = 10.0 ** np.floor(np.log10(raw))
    step = float(power * next(m for m in (1, 2, 5, 10) if m * power >= raw))
    return [step * i for i in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1)]


def short(number: float) -> str:
    """About three digits: 1234, 12.3, 0.123, 1.2e-05."""
    size = abs(number)
    if size >= 1e5 or 0 < size < 1e-3:
        return f"{number:.1e}"
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{round(number, digits) + 0.0:.{digits}f}"


def _dot(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    *,
    color: tuple[int, ...],
    radius: float,
) -> None:
    x, y = at
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)
