"""Curves: statistics over seeds, and fewer points of long ones."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from dreamer_jax.statistics import t_quantile


class Curve(NamedTuple):
    """A metric of one run, sorted by step."""

    step: np.ndarray  # [N] actions
    seconds: np.ndarray  # [N] of training
    value: np.ndarray  # [N]


class Band(NamedTuple):
    """A metric over the runs of one configuration, at the same places for all of them."""

    x: np.ndarray  # [G]
    mean: np.ndarray  # [G]
    low: np.ndarray  # [G] of the 95 % interval of the mean; NaN where there is one run
    high: np.ndarray  # [G]
    lowest: np.ndarray  # [G] of the runs
    highest: np.ndarray  # [G]
    runs: np.ndarray  # [G] how many have a value there


def mean_interval(values: np.ndarray) -> tuple[float, float, float]:
    """Mean of independent values [N], and its 95 % interval by Student's t.

    mean ± t(0.975, N - 1) s / √N with the sample's deviation s. The interval is NaN for one value.
    Runs are few, and t is exact for few values if they are normal; a bootstrap of three values is
    far too narrow.
    """
    count = len(values)
    if count < 2:
        return float(values.mean()), float("nan"), float("nan")
    mean = float(values.mean())
    half = float(t_quantile(count)) * float(values.std(ddof=1)) / np.sqrt(count)
    return mean, float(mean - half), float(mean + half)


def band(curves: Sequence[tuple[np.ndarray, np.ndarray]], *, points: int) -> Band:
    """Statistics over curves (x, y), each sorted by x, at `points` evenly spaced places.

    Each curve is interpolated linearly within its own range and absent outside of it.
    """
    curves = [(x, y) for x, y in curves if len(x)]
    first, last = min(x[0] for x, _ in curves), max(x[-1] for x, _ in curves)
    grid = np.linspace(first, last, points if last > first else 1)
    values = np.stack([np.interp(grid, x, y, left=np.nan, right=np.nan) for x, y in curves])
    there = ~np.isnan(values)
    count = there.sum(0)
    kept = count > 0  # curves may leave a gap between them
    grid, values, there, count = grid[kept], values[:, kept], there[:, kept], count[kept]
    mean = np.where(there, values, 0).sum(0) / count
    squares = (np.where(there, values - mean, 0) ** 2).sum(0)
    several = count > 1
    degrees = np.maximum(count - 1, 1)
    half = t_quantile(degrees + 1) * np.sqrt(squares / degrees / count)
    half = np.where(several, half, np.nan)
    return Band(
        x=grid,
        mean=mean,
        low=mean - half,
        high=mean + half,
        lowest=np.where(there, values, np.inf).min(0),
        highest=np.where(there, values, -np.inf).max(0),
        runs=count,
    )


def thinned(curve: Curve, *, most: int) -> Curve:
    """The curve with about `most` points: of each stretch, the lowest and the highest one.

    Peaks stay as high as they are, which means would hide. The first and the last point stay.
    """
    count = len(curve.value)
    if count <= most:
        return curve
    edges = np.linspace(1, count - 1, max(1, (most - 2) // 2) + 1).astype(int)
    kept = {0, count - 1}
    for start, end in pairwise(edges.tolist()):
        if end > start:
            part = curve.value[start:end]
            kept |= {start + int(part.argmin()), start + int(part.argmax())}
    at = np.array(sorted(kept))
    return Curve(curve.step[at], curve.seconds[at], curve.value[at])


def trend(scores: np.ndarray) -> int:
    """Whether scores [N], in their order, rise at the end: 1 rise, 0 level or unknown, -1 fall.

    The last fifth is compared with the fifth before it: a difference of more than two standard
    errors counts.
    """
    part = len(scores) // 5
    if part < 4:
        return 0
    late, early = scores[-part:], scores[-2 * part : -part]
    error = np.sqrt((late.var(ddof=1) + early.var(ddof=1)) / part)
    return (
        int(np.sign(difference)) if abs(difference := late.mean() - early.mean()) > 2 * error else 0
    )
