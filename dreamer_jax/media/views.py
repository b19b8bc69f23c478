"""Observations of every kind as pictures: as they were, as they were dreamt, and the error."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dreamer_jax.media.cells import entries, letters
from dreamer_jax.media.curves import Curve, limits, plot
from dreamer_jax.media.panels import (
    DREAM,
    FAINT,
    GAP,
    GROUND,
    TRUTH,
    WRONG,
    Color,
    bordered,
    column,
    difference,
    placed,
    row,
    scaled,
    whole,
    words,
)

SIDE = 200  # about the side of a picture in a film, pixels
ALONE = 384  # about that of the only picture of a dream that is compared with nothing
WIDE = 320  # width of curves beside pictures
MOST = 6  # curves of all vectors of an observation
EACH = 4  # curves of one of several vectors
BORDER = 3  # pixels around a picture, in the color of what it is
TOTAL = 560  # pixels that a frame is wide at least
STILL = 0.05  # that a number stirs, of its size, before anybody need look at it
LABELS = 56  # width of the names of rows on a contact sheet


class Pictures(NamedTuple):
    """An image or a board over time."""

    name: str
    truth: np.ndarray  # [T, h, w, 3] uint8
    dream: np.ndarray  # [T, h, w, 3] uint8
    wrong: np.ndarray | None = None  # [T, h, w] bool for boards, whose colors are only names

    def error(self, now: int) -> np.ndarray:
        """[h, w, 3]: how far colors are apart, or which cells are wrong."""
        if self.wrong is None:
            return difference(self.truth[now], self.dream[now])
        return np.where(self.wrong[now][..., None], np.uint8(255), np.uint8(0)).repeat(3, -1)


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


class Chosen(NamedTuple):
    """One number of a vector, to be drawn as a curve."""

    view: int  # which of the views
    index: int  # of the number
    title: str
    within: tuple[float, float]  # lowest and highest number of the axis


View = Pictures | Texts | Numbers | Entries


def compared(views: Sequence[View], *, now: int, seen: int) -> np.ndarray:
    """One moment: truth, dream and error beside each other; curves and cells to their right.

    Args:
      views: every observation, [T].
      now: the moment, below T.
      seen: the first moments, which the model was shown.
    """
    color = TRUTH if now < seen else DREAM
    side = _side(views, about=SIDE)
    shown = [view for view in views if isinstance(view, (Pictures, Texts))]
    left = [_compared(view, now, color, side) for view in shown]
    if left:
        names = "truth", ("the model's view", "dream")[now >= seen], "error"
        inks = TRUTH, color, WRONG
        heads = [
            words((name, ink), size=14, width=side, align="center")
            for name, ink in zip(names, inks, strict=True)
        ]
        left = [row(heads), *left]
    return _beside(left, views, now=now, seen=seen, known=True)


def alone(views: Sequence[View], *, now: int, seen: int, color: Color) -> np.ndarray:
    """One moment of a dream that has no truth beyond what was seen; see `compared`.

    color: of the frames of pictures.
    """
    pictures = [x for x in views if isinstance(x, Pictures)]
    side = _side(views, about=ALONE if len(pictures) == 1 else SIDE)
    parts = [_titled(x.name, _framed(x.dream[now], color, side)) for x in pictures]
    left = [row(parts[i : i + 2]) for i in range(0, len(parts), 2)]
    width = left[0].shape[1] if left else TOTAL
    for view in views:
        if isinstance(view, Texts):
            left.append(_titled(view.name, letters(view.dream[now], width=width)))
    return _beside(left, views, now=now, seen=seen, known=False)


def thumbnail(
    views: Sequence[View],
    chosen: Sequence[Chosen],
    *,
    now: int,
    seen: int,
    side: int,
    color: Color,
) -> np.ndarray:
    """The first picture of a moment and its texts; else curves up to it, texts, and cells.

    Args:
      views: of a dream.
      chosen: the numbers to draw, from `choose`.
      now: the moment.
      seen: the first moments, which the model was shown.
      side: pixels.
      color: of the frame of a picture.
    """
    texts = [letters(x.dream[now], width=side) for x in views if isinstance(x, Texts)]
    for view in views:
        if isinstance(view, Pictures):
            return column([_framed(view.dream[now], color, side), *texts], gap=4)
    size = {"height": 40, "width": side}
    parts = [
        plot(
            one.title,
            [Curve(views[one.view].dream[:, one.index], DREAM)],
            now=now,
            seen=seen,
            within=one.within,
            **size,
        )
        for one in chosen
    ]
    parts.extend(texts)
    for view in views:
        if isinstance(view, Entries):
            cells = entries(view.name, None, view.dream[now], classes=view.classes, width=side)
            parts.append(cells)
    return column(parts[: EACH + 1], gap=4)


def sheet(view: Pictures, *, times: Sequence[int], seen: int, about: int) -> np.ndarray:
    """A contact sheet: truth, dream and error below each other, one column for each time.

    about: the side of a picture, pixels.
    """
    side, columns = whole(view.dream, about=about), list[np.ndarray]()
    for t in times:
        name = f"dream +{t - seen + 1}" if t >= seen else "seen"
        color = DREAM if t >= seen else TRUTH
        shown = (view.truth[t], view.dream[t], view.error(t))
        head = words((name, color), size=14, width=side, align="center")
        columns.append(column([head, *(scaled(x, side=side) for x in shown)], gap=6))
    names = [("truth", TRUTH), ("dream", DREAM), ("error", WRONG)]
    labels = [placed(words(x, size=14), height=side, width=LABELS) for x in names]
    space = columns[0].shape[0] - 3 * side - 18
    corner = placed(words((view.name, FAINT)), height=space, width=LABELS)
    first = column([corner, *labels], gap=6)
    return row([first, *columns], gap=6)


def choose(dreams: Sequence[Sequence[View]], *, most: int) -> list[Chosen]:
    """The numbers of all vectors that move most, at most `most`, with an axis that fits all dreams.

    dreams: the views of one or several dreams of the same moments.
    """
    vectors = [i for i, view in enumerate(dreams[0]) if isinstance(view, Numbers)]
    share = most if len(vectors) < 2 else min(EACH, max(1, most // len(vectors)))
    found = list[Chosen]()
    for i in vectors:
        name = dreams[0][i].name
        known = np.concatenate([views[i].truth for views in dreams])
        dreamt = np.concatenate([views[i].dream for views in dreams])
        known = known[~np.isnan(known).any(-1)]
        size = np.maximum(1, np.abs(known).max(0))
        # Truth counts. Of numbers that stand still, only those of which the dream is plainly wrong.
        stirs = np.ptp(np.concatenate([known, dreamt]), 0) > STILL * size
        moves = np.ptp(known, 0) / size + stirs * 1e-3
        for j in sorted(np.argsort(-moves, kind="stable")[:share].tolist()):
            if moves[j] > 0:
                title = name if dreamt.shape[-1] == 1 else f"{name} {j}"
                least = 1e-2 if np.ptp(known[:, j]) > 0 else 2 * STILL
                found.append(Chosen(i, j, title, limits(known[:, j], dreamt[:, j], least=least)))
    return found


def _side(views: Sequence[View], *, about: int) -> int:
    """The side of the frames around all pictures."""
    sides = [whole(view.dream, about=about) for view in views if isinstance(view, Pictures)]
    return max(sides, default=about) + 2 * BORDER


def _framed(picture: np.ndarray, color: Color, side: int) -> np.ndarray:
    return bordered(scaled(picture, side=side - 2 * BORDER), margin=BORDER, color=color)


def _compared(view: Pictures | Texts, now: int, color: Color, side: int) -> np.ndarray:
    truth, dream = view.truth[now], view.dream[now]
    if isinstance(view, Pictures):
        error = _framed(view.error(now), GROUND, side)
        parts = [_framed(truth, TRUTH, side), _framed(dream, color, side), error]
        return _titled(view.name, row(parts))
    written = (truth != " ") | (dream != " ")
    wrong = int((truth != dream).sum())
    text = f"{wrong} of {int(written.sum())} letters wrong" if written.any() else "no text"
    note = words((text, WRONG if wrong else FAINT), width=side, align="center")
    parts = [letters(truth, width=side), letters(dream, truth, width=side), note]
    return _titled(view.name, row(parts))


def _beside(
    left: list[np.ndarray], views: Sequence[View], *, now: int, seen: int, known: bool
) -> np.ndarray:
    """Curves and cells to the right of pictures, or alone."""
    width, right = WIDE if left else TOTAL, list[np.ndarray]()
    chosen = choose([views], most=MOST)
    high = 46 if left else 84 if len(chosen) <= EACH else 60
    for one in chosen:
        view = views[one.view]
        curves = [Curve(view.truth[:, one.index], TRUTH), Curve(view.dream[:, one.index], DREAM)]
        size = {"height": high, "width": width}
        right.append(plot(one.title, curves, now=now, seen=seen, within=one.within, **size))
    for i, view in enumerate(views):
        if isinstance(view, Numbers) and all(one.view != i for one in chosen):
            text = (
                f"{view.name}: {view.dream.shape[-1]} numbers that stand still, also in the dream"
            )
            right.append(words((text, FAINT), width=width))
        if isinstance(view, Entries):
            truth = view.truth[now] if known else None
            cells = entries(view.name, truth, view.dream[now], classes=view.classes, width=width)
            right.append(cells)
    blocks = [column(part) for part in (left, right) if part]
    return row(blocks, gap=2 * GAP)


def _titled(name: str, picture: np.ndarray) -> np.ndarray:
    return column([words((name, FAINT)), picture], gap=2)
