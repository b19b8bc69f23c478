"""Intervals of what a sample says."""

import math

import numpy as np

RESAMPLES = 10_000
MOST_DRAWS = 500_000_000  # over all resamples: large samples have fewer of them
SMALLEST = 100  # resamples of the largest samples
PORTION = 2_000_000  # draws that are in memory at once
Z = 1.959964  # 97.5 % of a normal distribution lie below
TAIL = 2.5  # percent on each side of a 95 % interval


def wilson(successes: int, *, trials: int) -> tuple[float, float]:
    """The 95 % confidence interval of a rate (Wilson, 1927).

    With p = successes / trials, n = trials, z = 1.96:
    (p + z²/2n ± z √(p (1 - p) / n + z²/4n²)) / (1 + z²/n).
    """
    rate = successes / trials
    middle = rate + Z * Z / (2 * trials)
    spread = Z * math.sqrt(rate * (1 - rate) / trials + (Z / (2 * trials)) ** 2)
    low, high = ((middle + side * spread) / (1 + Z * Z / trials) for side in (-1, 1))
    return max(0.0, low), min(1.0, high)  # rounding may leave [0, 1]


def t_quantile(count: int | np.ndarray) -> np.ndarray:
    """How many standard errors the 95 % interval of a mean extends each way, by Student's t.

    count: of values that were averaged, at least 2; a number or an array of them.
    """
    from scipy.special import stdtrit  # no other interval needs SciPy

    return np.asarray(stdtrit(count - 1, (100 - TAIL) / 100))


def interquartile_mean(values: np.ndarray) -> np.ndarray:
    """The mean of the middle half along the last axis: [..., n] -> [...].

    ⌊n / 4⌋ values are dropped at each end (Agarwal et al., NeurIPS 2021).
    """
    dropped = values.shape[-1] // 4
    ordered = np.sort(values, axis=-1)
    return ordered[..., dropped : values.shape[-1] - dropped].mean(-1)


def resamples_of(count: int) -> int:
    """How many resamples a sample of `count` values has: RESAMPLES, fewer of a large one."""
    return min(RESAMPLES, max(SMALLEST, MOST_DRAWS // count))


def bootstrap(values: np.ndarray, *, seed: int = 0) -> dict[str, float]:
    """Mean and interquartile mean of a sample [n], each with its 95 % bootstrap interval.

    Each of `resamples_of(n)` resamples draws n of the values with replacement. The interval lies
    between the 2.5th and the 97.5th percentile of what they say. Equal samples have equal
    intervals.

    Returns: 'mean_low', 'mean_high', 'iqm', 'iqm_low', 'iqm_high'.
    """
    values = np.asarray(values, np.float64)
    count = len(values)
    resamples = resamples_of(count)
    generator = np.random.default_rng(seed)
    rows = max(1, PORTION // count)
    means, middles = list[np.ndarray](), list[np.ndarray]()
    for first in range(0, resamples, rows):
        index = generator.integers(0, count, (min(rows, resamples - first), count))
        means.append(values[index].mean(-1))
        middles.append(interquartile_mean(values[index]))
    mean_low, mean_high = np.percentile(np.concatenate(means), [TAIL, 100 - TAIL])
    iqm_low, iqm_high = np.percentile(np.concatenate(middles), [TAIL, 100 - TAIL])
    return {
        "mean_low": float(mean_low),
        "mean_high": float(mean_high),
        "iqm": float(interquartile_mean(values)),
        "iqm_low": float(iqm_low),
        "iqm_high": float(iqm_high),
    }
