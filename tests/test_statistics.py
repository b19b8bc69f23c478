"""Intervals and interquartile means, against slow loops and against what is known by hand."""

import numpy as np
import pytest

from dreamer_jax import statistics
from dreamer_jax.statistics import bootstrap, interquartile_mean, resamples_of


@pytest.mark.parametrize(
    ("values", "middle"),
    [
        ([3.0], 3.0),
        ([1.0, 2.0], 1.5),
        ([9.0, 1.0, 2.0, 4.0], 3.0),  # 1 and 9 are dropped
        ([8, 7, 6, 5, 4, 3, 2, 1], 4.5),
        ([100.0, 1, 2, 3, 4], (2 + 3 + 4) / 3),
        ([0, 0, 0, 10, 20, 30, 1000, 1000, 1000, 1000], (0 + 10 + 20 + 30 + 1000 + 1000) / 6),
    ],
)
def test_the_mean_of_the_middle_half(values: list[float], middle: float) -> None:
    assert interquartile_mean(np.array(values)) == pytest.approx(middle)
    assert interquartile_mean(np.array([values, values])).tolist() == [middle, middle]


def slow_bootstrap(values: np.ndarray, *, resamples: int, seed: int) -> dict[str, float]:
    """One resample after another, with the sorting and the counting written out."""
    generator = np.random.default_rng(seed)
    means, middles = list[float](), list[float]()
    for _ in range(resamples):
        drawn = sorted(float(values[i]) for i in generator.integers(0, len(values), len(values)))
        means.append(sum(drawn) / len(drawn))
        cut = len(drawn) // 4
        kept = drawn[cut : len(drawn) - cut]
        middles.append(sum(kept) / len(kept))
    found = dict[str, float]()
    for name, each in (("mean", sorted(means)), ("iqm", sorted(middles))):
        for side, share in (("low", 0.025), ("high", 0.975)):
            at = share * (resamples - 1)
            below, part = int(at), at - int(at)
            after = each[min(below + 1, resamples - 1)]
            found[f"{name}_{side}"] = each[below] * (1 - part) + after * part
    return found


@pytest.mark.parametrize("portion", [1, 1_000_000])
def test_the_bootstrap_is_that_of_a_slow_loop(
    monkeypatch: pytest.MonkeyPatch, portion: int
) -> None:
    """Draws in one portion are those of a loop; other portions change nothing."""
    monkeypatch.setattr(statistics, "RESAMPLES", 300)
    monkeypatch.setattr(statistics, "PORTION", portion)
    values = np.random.default_rng(1).normal(size=13) ** 3
    found = bootstrap(values, seed=5)
    assert found.pop("iqm") == pytest.approx(float(interquartile_mean(values)))
    assert found == pytest.approx(slow_bootstrap(values, resamples=300, seed=5))


def test_the_interval_of_a_mean_is_as_wide_as_theory_says() -> None:
    """About ±1.96 σ / √n for many values; and the same values always have the same interval."""
    values = np.random.default_rng(2).normal(10, 3, 400)
    found = bootstrap(values)
    half = 1.96 * values.std() / 20
    assert found["mean_low"] == pytest.approx(values.mean() - half, abs=0.05)
    assert found["mean_high"] == pytest.approx(values.mean() + half, abs=0.05)
    assert found["iqm_low"] < found["iqm"] < found["iqm_high"]
    assert bootstrap(values) == found != bootstrap(values, seed=1)


def test_equal_scores_have_no_spread() -> None:
    assert set(bootstrap(np.full(7, 500.0)).values()) == {500.0}


def test_many_episodes_have_fewer_resamples() -> None:
    assert [resamples_of(n) for n in (1, 100, 50_000)] == 3 * [10_000]
    assert [resamples_of(n) for n in (500_000, 5_000_000, 10**9)] == [1000, 100, 100]
