"""The frames of films about dreams."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from dreamer_jax.media.curves import Curve, limits, plot, short
from dreamer_jax.media.panels import (
    DREAM,
    FAINT,
    GAP,
    GOOD,
    INK,
    LARGE,
    MEDIUM,
    SMALL,
    TRUTH,
    WRONG,
    Color,
    apart,
    badge,
    bordered,
    column,
    length,
    placed,
    row,
    timeline,
    words,
)
from dreamer_jax.media.views import EACH, TOTAL, View, alone, choose, compared, thumbnail

LEAST = 0.1  # span of an axis, of its highest number: less is noise
HIGH = 64  # pixels of a curve below the pictures
GRID = 3  # futures beside and below each other
TILE = 198  # side of a future with its border, pixels
ENDED = 0.5  # the probability to go on, below which a dream counts as ended
OVER: Color = (118, 124, 138)  # color of what the model dreams beyond an end
LEGEND = ("truth", TRUTH), ("   dream", DREAM)


class Told(NamedTuple):
    """What the model says of T moments, and what happened, NaN where nobody knows."""

    reward: np.ndarray  # [T], dreamt
    continues: np.ndarray  # [T], dreamt probability that the episode continues
    value: np.ndarray  # [T], of the critic at what was dreamt
    true_reward: np.ndarray  # [T]
    true_continues: np.ndarray  # [T], 0 at a terminal state
    true_value: np.ndarray  # [T], of the critic at what the model filtered


class Film(NamedTuple):
    """All that the frames of one film are drawn from."""

    title: str
    views: Sequence[View]  # [T] each
    told: Told  # [T] each
    actions: Sequence[str]  # [T], the action that led to each moment
    begin: int  # step of the episode that the first moment is
    seen: int  # moments that the model was shown; all others are dreamt

    @property
    def alive(self) -> np.ndarray:
        """[T], the probability that the dream has not ended before each moment."""
        after = np.cumprod(np.clip(self.told.continues[self.seen :], 0, 1))
        return np.concatenate([np.ones(self.seen + 1), after])[: len(self.actions)]

    def color(self, now: int) -> Color:
        """The color of what is shown: seen, dreamt, or beyond the end of the dream."""
        return TRUTH if now < self.seen else DREAM if self.alive[now] >= ENDED else OVER


def openloop(film: Film) -> Iterator[np.ndarray]:
    """Frames with truth, dream and error; the numbers of truth and dream as growing curves."""
    for now in range(len(film.actions)):
        yield _frame(film, compared(film.views, now=now, seen=film.seen), now, LEGEND)


def free(film: Film) -> Iterator[np.ndarray]:
    """Frames of a dream that is compared with nothing; its numbers as growing curves."""
    for now in range(len(film.actions)):
        yield _frame(
            film, alone(film.views, now=now, seen=film.seen, color=film.color(now)), now, ()
        )


def futures(title: str, films: Sequence[Film], returns: Sequence[float]) -> Iterator[np.ndarray]:
    """Frames with many dreams of one moment in a grid, each with its dreamt return.

    Args:
      title: of the film.
      films: the futures, all with the same number of moments, of which the same were seen.
      returns: the dreamt return of each. The highest one is green, the lowest one red.
    """
    best, worst = int(np.argmax(returns)), int(np.argmin(returns))
    differ = returns[best] > returns[worst]
    first = films[0]._replace(title=title, actions=[""] * len(films[0].actions))
    chosen = choose([film.views for film in films], most=EACH)
    for now in range(len(first.actions)):
        tiles = []
        for i, film in enumerate(films):
            color = INK
            if differ and i in (best, worst):
                color = GOOD if i == best else WRONG
            shown = {"now": now, "seen": film.seen, "side": TILE, "color": film.color(now)}
            picture = thumbnail(film.views, chosen, **shown)
            rewards = film.alive * film.told.reward
            so_far = float(rewards[film.seen : now + 1].sum())
            heading = (f"return {short(returns[i])}", color)
            over = "  ended" if film.color(now) == OVER else ""
            note = (f"  rewards {so_far:.2f}{over}", FAINT)
            tiles.append(column([words(heading, note, width=TILE), picture], gap=3))
        rows = [row(tiles[i : i + GRID], gap=12) for i in range(0, len(tiles), GRID)]
        body = column(rows, gap=12)
        width = body.shape[1]
        yield bordered(column([_header(first, now, width), body]))


def _frame(
    film: Film, body: np.ndarray, now: int, legend: Sequence[tuple[str, Color]]
) -> np.ndarray:
    width = max(TOTAL, body.shape[1])
    body = placed(body, height=body.shape[0], width=width, centered=True)
    head = _header(film, now, width, *legend)
    return bordered(column([head, body, _numbers(film, now, width)], gap=10))


def _header(film: Film, now: int, width: int, *legend: tuple[str, Color]) -> np.ndarray:
    """Title and whether this was seen or dreamt; the step and the action; a bar of all frames."""
    total, dreamt = len(film.actions), now - film.seen + 1
    if dreamt <= 0:
        sign = badge(f"seen {now + 1}/{film.seen}", TRUTH)
    else:
        over = film.color(now) == OVER
        sign = badge(f"dream +{dreamt}/{total - film.seen}{', ended' * over}", film.color(now))
    action = f"   after {film.actions[now]}" if film.actions[now] else ""
    step = words((f"episode step {film.begin + now}{action}", FAINT), size=MEDIUM)
    caption = apart(step, words(*legend, size=MEDIUM), width=width)
    bar = timeline(film.seen, total=total, now=now, width=width)
    # One size in all frames, whatever the sign says.
    room = width - length(f"dream +{total}/{total}, ended", size=MEDIUM) - 3 * GAP
    fitting = (size for size in (LARGE, 16, MEDIUM) if length(film.title, size=size) <= room)
    title = words((film.title, INK), size=next(fitting, SMALL))
    return column([apart(title, sign, width=width), caption, bar], gap=4)


def _numbers(film: Film, now: int, width: int) -> np.ndarray:
    """Reward, continuing and value as curves beside each other."""
    told, each = film.told, (width - 2 * GAP) // 3
    pairs = (
        ("reward", told.true_reward, told.reward, None),
        ("continues", told.true_continues, told.continues, (0.0, 1.0)),
        ("value", told.true_value, told.value, None),
    )
    plots = []
    for name, truth, dream, within in pairs:
        curves = [Curve(truth, TRUTH), Curve(dream, DREAM)]
        within = within or limits(truth, dream, least=LEAST)
        size = {"height": HIGH, "width": each}
        plots.append(plot(name, curves, now=now, seen=film.seen, within=within, **size))
    return row(plots)
