"""Observations of every kind as pictures: as they were, as they were dreamt, and the error."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dreamer_jax.media.cells import entries, letters
from dreamer_jax.media.curves import Curve, plot
from dreamer_jax.media.panels import (
    DREAM,
    FAINT,
    GAP,
    INK,
    TRUTH,
    WRONG,
    Color,
    bordered,
    column,
    difference,
    empty,
    placed,
    row,
    scaled,
    words,
)

SIDE = 208  # pixels of a picture in a film
ALONE = 288  # of the only picture of a frame that has no error beside it
WIDE = 320  # width of curves beside pictures
MOST = 6  # curves of all vectors of an observation
EACH = 4  # curves of one of several vectors
BORDER = 3  # pixels around a picture, in the color of what it is
TOTAL = 560  # pixels that a frame is wide at least


class Pictures(NamedTuple):
    """An image or a board over time."""

    name: str
    truth: np.ndarray  # [T, h, w, 3] uint8
    dream: np.ndarray  # [T, h, w, 3] uint8


class Texts(NamedTuple):
    """A text over time, as rows of letters."""

    name: str
    truth: np.ndarray  # [T, rows, columns] single characters
    dream: np.ndarray  # [T, rows, columns]


class Numbers(NamedTuple):
    """A vector over time."""

    name: str
    truth: np.ndarray  # [T, n]; NaN where nobody knows
    dream: np.ndarray  # [T, n]


class Entries(NamedTuple):
    """Choices or bits over time."""

    name: str
    truth: np.ndarray  # [T, n] integers
    dream: np.ndarray  # [T, n]
    classes: tuple[int, ...]  # [n]


View = Pictures | Texts | Numbers | Entries


def compared(views: Sequence[View], *, now: int, seen: int) -> np.ndarray:
    """One moment: truth, dream and error beside each other; curves and cells to their right.

    Args:
      views: every observation, [T].
      now: the moment, below T.
      seen: the first moments, which the model was shown.
    """
    color = TRUTH if now < seen else DREAM
    left = [_compared(view, now, color) for view in views if isinstance(view, (Pictures, Texts))]
    if left:
        names = "truth", ("the model's view", "dream")[now >= seen], "error"
        inks = TRUTH, color, WRONG
        heads = [
            words((name, ink), size=14, width=SIDE, align="center")
            for name, ink in zip(names, inks, strict=True)
        ]
        left = [row(heads), *left]
    return _beside(left, views, now=now, seen=seen, known=True)


def alone(views: Sequence[View], *, now: int, seen: int) -> np.ndarray:
    """One moment of a dream that has no truth beyond what was seen; see `compared`."""
    color = TRUTH if now < seen else DREAM
    pictures = [x for x in views if isinstance(x, Pictures)]
    side = ALONE if len(pictures) == 1 else SIDE
    parts = [_titled(x.name, _edged(scaled(x.dream[now], side=side), color)) for x in pictures]
    left = [row(parts[i : i + 2]) for i in range(0, len(parts), 2)]
    width = left[0].shape[1] if left else SIDE
    for view in views:
        if isinstance(view, Texts):
            left.append(_titled(view.name, letters(view.dream[now], width=width)))
    return _beside(left, views, now=now, seen=seen, known=False)


def thumbnail(views: Sequence[View], *, now: int, seen: int, side: int) -> np.ndarray:
    """The first picture of a moment, else the curves of all vectors up to it, else its cells."""
    color = TRUTH if now < seen else DREAM
    for view in views:
        if isinstance(view, Pictures):
            return scaled(view.dream[now], side=side)
    parts = [
        plot(name, [Curve(dream, DREAM)], now=now, seen=seen, height=44, width=side)
        for name, _, dream in _curves(views, most=EACH)
    ]
    for view in views:
        if isinstance(view, Texts):
            parts.append(letters(view.dream[now], width=side, color=color))
        if isinstance(view, Entries):
            cells = entries(view.name, None, view.dream[now], classes=view.classes, width=side)
            parts.append(cells)
    return column(parts[: EACH + 1], gap=4)


def sheet(view: Pictures, *, times: Sequence[int], seen: int, side: int) -> np.ndarray:
    """A contact sheet: truth, dream and error below each other, one column for each time."""
    columns = []
    for t in times:
        name = f"dream +{t - seen + 1}" if t >= seen else "seen"
        color = DREAM if t >= seen else TRUTH
        error = difference(view.truth[t], view.dream[t])
        shown = (view.truth[t], view.dream[t], error)
        head = words((name, color), size=14, width=side, align="center")
        columns.append(column([head, *(scaled(x, side=side) for x in shown)], gap=6))
    names = [("truth", TRUTH), ("dream", DREAM), ("error", WRONG)]
    labels = [placed(words(x, size=14), height=side, width=56) for x in names]
    first = column([empty(columns[0].shape[0] - 3 * side - 18, width=56), *labels], gap=6)
    return row([first, *columns], gap=6)


def _compared(view: Pictures | Texts, now: int, color: Color) -> np.ndarray:
    truth, dream = view.truth[now], view.dream[now]
    if isinstance(view, Pictures):
        parts = [
            _edged(scaled(truth, side=SIDE - 2 * BORDER), TRUTH),
            _edged(scaled(dream, side=SIDE - 2 * BORDER), color),
            bordered(scaled(difference(truth, dream), side=SIDE - 2 * BORDER), margin=BORDER),
        ]
        return _titled(view.name, row(parts))
    written = (truth != " ") | (dream != " ")
    wrong = int((truth != dream).sum())
    text = f"{wrong} of {int(written.sum())} letters wrong" if written.any() else "no text"
    note = words((text, WRONG if wrong else FAINT), width=SIDE, align="center")
    parts = [letters(truth, width=SIDE), letters(dream, truth, width=SIDE), note]
    return _titled(view.name, row(parts))


def _beside(
    left: list[np.ndarray], views: Sequence[View], *, now: int, seen: int, known: bool
) -> np.ndarray:
    """Curves and cells to the right of pictures, or alone."""
    width = WIDE if left else TOTAL
    right = list[np.ndarray]()
    curves = _curves(views, most=MOST)
    high = 46 if left else 84 if len(curves) <= EACH else 60
    for name, truth, dream in curves:
        both = [Curve(truth, TRUTH), Curve(dream, DREAM)]
        right.append(plot(name, both, now=now, seen=seen, height=high, width=width))
    for view in views:
        if isinstance(view, Entries):
            truth = view.truth[now] if known else None
            cells = entries(view.name, truth, view.dream[now], classes=view.classes, width=width)
            right.append(cells)
    blocks = [column(part) for part in (left, right) if part]
    return row(blocks, gap=2 * GAP)


def _curves(views: Sequence[View], *, most: int) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Name, truth [T] and dream [T] of the numbers that move most, at most `most` of them."""
    vectors = [view for view in views if isinstance(view, Numbers)]
    if not vectors:
        return []
    share = most if len(vectors) == 1 else min(EACH, max(1, most // len(vectors)))
    found = list[tuple[str, np.ndarray, np.ndarray]]()
    for view in vectors:
        moves = np.nanmax(view.truth, 0) - np.nanmin(view.truth, 0)
        moves = moves + np.ptp(view.dream, 0) * 1e-3
        order = np.argsort(-moves, kind="stable")[:share]
        for i in sorted(order.tolist()):
            if moves[i] > 0 or len(vectors) == 1:
                name = view.name if view.truth.shape[1] == 1 else f"{view.name} {i}"
                found.append((name, view.truth[:, i], view.dream[:, i]))
    return found


def _edged(picture: np.ndarray, color: Color) -> np.ndarray:
    return bordered(picture, margin=BORDER, color=color)


def _titled(name: str, picture: np.ndarray) -> np.ndarray:
    return column([words((name, FAINT)), picture], gap=2)
