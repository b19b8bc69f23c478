"""Numbers over time, and numbers against each other."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from dreamer_jax.media.panels import (
    DREAM,
    EDGE,
    FAINT,
    GROUND,
    INK,
    SMALL,
    SURFACE,
    TRUTH,
    Color,
    apart,
    column,
    font,
    row,
    words,
)

FINE = 3  # points of a plot are drawn so many times larger, so that lines are smooth
THICK = 1.7  # pixels, of a curve
PAD = 4  # pixels above and below the highest and the lowest point of a plot
GUTTER = 38  # pixels left of a plot, for the numbers of its axis
SHADE: Color = (104, 52, 60)  # of the error between two curves
LABEL = 10  # height of the numbers at an axis, pixels


class Curve(NamedTuple):
    """Numbers over time, NaN where there is none."""

    values: np.ndarray  # [T]
    color: Color


def limits(*values: np.ndarray, least: float = 1e-2) -> tuple[float, float]:
    """The range of all finite values; at least about `least` wide, (0, 1) where there are none."""
    every = np.concatenate([np.ravel(x) for x in values]).astype(np.float64)
    every = every[np.isfinite(every)]
    low, high = (float(every.min()), float(every.max())) if len(every) else (0.0, 1.0)
    narrow = max(0.0, least * max(1.0, abs(high)) - (high - low)) / 2
    return low - narrow, high + narrow


def plot(
    title: str,
    curves: Sequence[Curve],
    *,
    now: int,
    seen: int,
    height: int,
    width: int,
    within: tuple[float, float] | None = None,
) -> np.ndarray:
    """Curves that have grown up to a moment, below their name and their newest values.

    Args:
      title: name of the numbers.
      curves: [T] each. The error is shaded between two of them.
      now: the last moment that is drawn. The axis always has room for all T.
      seen: how many moments come before the dream, which begins at a vertical line.
      height: pixels, without the title.
      width: pixels.
      within: lowest and highest number on the axis; default: what the whole curves need.
    """
    low, high = within or limits(*(curve.values for curve in curves))
    total, wide = len(curves[0].values), width - GUTTER
    picture = Image.new("RGB", (FINE * wide, FINE * height), SURFACE)
    draw = ImageDraw.Draw(picture)
    x = (np.arange(total) + 0.5) * FINE * wide / total
    shown = np.arange(total) <= now

    def points(values: np.ndarray, where: np.ndarray) -> list[tuple[float, float]]:
        keep = np.isfinite(values) & where
        y = FINE * (PAD + (high - values[keep]) / (high - low) * (height - 2 * PAD))
        return list(zip(x[keep].tolist(), y.tolist(), strict=True))

    border = seen * FINE * wide / total
    draw.line([(border, 0), (border, FINE * height)], fill=EDGE, width=FINE)
    if len(curves) == 2:
        both = shown & np.isfinite(curves[0].values) & np.isfinite(curves[1].values)
        if both.sum() > 1:
            upper, lower = (points(curve.values, both) for curve in curves)
            draw.polygon([*upper, *lower[::-1]], fill=SHADE)
    for curve in curves:
        line = points(curve.values, shown)
        if len(line) > 1:
            draw.line(line, fill=curve.color, width=round(FINE * THICK), joint="curve")
        if line:
            _dot(draw, line[-1], color=curve.color, radius=FINE * THICK * 1.3)
    body = np.asarray(picture.resize((wide, height), Image.Resampling.BOX))
    axis = row([_axis(low, high, height), body], gap=0)
    places = decimals(high - low)
    newest = [
        (f"  {round(float(c.values[now]), places) + 0.0:.{places}f}", c.color)
        for c in curves
        if np.isfinite(c.values[now])
    ]
    heading = apart(words((title, FAINT)), words(*newest or [" "]), width=width)
    return column([heading, axis], gap=1)


def _axis(low: float, high: float, height: int) -> np.ndarray:
    """The highest and the lowest number, left of a plot."""
    picture = Image.new("RGB", (GUTTER, height), GROUND)
    draw = ImageDraw.Draw(picture)
    for number, top in ((high, 0), (low, height - LABEL - 3)):
        text = short(number, digits=2)
        left = GUTTER - 5 - font(LABEL).getlength(text)
        draw.text((max(0.0, left), top), text, fill=FAINT, font=font(LABEL))
    return np.asarray(picture)


def scatter(
    title: str,
    *,
    note: str,
    truth: np.ndarray,
    dream: np.ndarray,
    side: int,
    within: tuple[float, float] | None = None,
) -> np.ndarray:
    """Dreamt numbers [N] (up) against true ones [N] (to the right); equal ones lie on the line."""
    low, high = within or limits(truth, dream)
    low, high = low - 0.04 * (high - low), high + 0.04 * (high - low)
    picture = Image.new("RGB", (FINE * side, FINE * side), SURFACE)
    draw = ImageDraw.Draw(picture, "RGBA")

    def at(x: float, y: float) -> tuple[float, float]:
        scale = FINE * side / (high - low)
        return (x - low) * scale, (high - y) * scale

    for tick in ticks(low, high=high):
        draw.line([at(tick, low), at(tick, high)], fill=(*EDGE, 110), width=FINE)
        draw.line([at(low, tick), at(high, tick)], fill=(*EDGE, 110), width=FINE)
    draw.line([at(low, low), at(high, high)], fill=(*TRUTH, 255), width=2 * FINE)
    for x, y in zip(truth.tolist(), dream.tolist(), strict=True):
        _dot(draw, at(x, y), color=(*DREAM, 150), radius=FINE * 3.2)
    picture = picture.resize((side, side), Image.Resampling.BOX)
    draw = ImageDraw.Draw(picture)
    for tick in ticks(low, high=high):
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


def ticks(low: float, *, high: float) -> list[float]:
    """About four round numbers between two others."""
    raw = (high - low) / 4
    power = 10.0 ** np.floor(np.log10(raw))
    step = float(power * next(m for m in (1, 2, 5, 10) if m * power >= raw))
    return [step * i for i in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1)]


def short(number: float, *, digits: int = 3) -> str:
    """A number with so many digits that count: 1234, 12.3, 0.123, 1.23e-05."""
    whole_number = 10**digits <= abs(number) < 1e5
    return f"{number:.0f}" if whole_number else f"{number + 0.0:.{digits}g}"


def decimals(span: float) -> int:
    """Places after the point that tell a hundredth of a span."""
    return int(np.clip(2 - np.floor(np.log10(span)), 0, 6))


def _dot(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    *,
    color: tuple[int, ...],
    radius: float,
) -> None:
    x, y = at
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)
