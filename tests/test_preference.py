"""Pairs of frames and their losses against NumPy, and orders of clips against tables."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from dreamer_jax.world_model import clip_orders, preference, rank_metrics

RANDOM = np.random.default_rng(0)


def test_bradley_terry_is_the_logistic_loss() -> None:
    score = RANDOM.normal(0, 2, (2, 50)).astype(np.float32)
    elapsed = RANDOM.integers(-2, 3, 50).astype(np.float32)
    found = preference.bradley_terry(jnp.asarray(score[1] - score[0]), jnp.asarray(elapsed))
    later = 1 / (1 + np.exp(-(score[1] - score[0]).astype(np.float64)))
    target = np.where(elapsed > 0, 1.0, np.where(elapsed < 0, 0.0, 0.5))
    wanted = -target * np.log(later) - (1 - target) * np.log1p(-later)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    # Its gradient is P(b after a) less the truth.
    slope = jax.grad(lambda d: preference.bradley_terry(d, jnp.asarray(elapsed)).sum())
    np.testing.assert_allclose(slope(jnp.asarray(score[1] - score[0])), later - target, atol=1e-6)


def test_a_tie_pulls_scores_together() -> None:
    slope = jax.grad(preference.bradley_terry)
    assert slope(jnp.float32(2.0), jnp.float32(0.0)) > 0 > slope(jnp.float32(-2), jnp.float32(0))
    assert slope(jnp.float32(0.0), jnp.float32(0.0)) == 0


def test_pairs_tell_the_true_time_whatever_the_order() -> None:
    time = jnp.array([[0, 10], [3, 20], [9, 40]])
    order = jnp.array([[0, 2], [2, 0], [2, 1]])
    same = jnp.zeros((3, 3, 2), bool).at[2, 0, 1].set(True)
    pairs = preference.pairs(time, same, order, near=0.5)
    np.testing.assert_array_equal(pairs.elapsed, [[9, -30], [9, -20], [0, 10]])
    np.testing.assert_array_equal(pairs.same, [[False, True], [False, False], [False, False]])
    weights = [[1 / 3, 30**-0.5], [1 / 3, 20**-0.5], [0, 10**-0.5]]
    np.testing.assert_allclose(pairs.weight, weights, rtol=1e-6)


def test_frames_are_the_same_from_a_psnr_on() -> None:
    images = RANDOM.integers(0, 256, (5, 2, 8, 6, 3)).astype(np.uint8)
    images[3, 0] = images[1, 0]
    images[4, 1] = images[0, 1]
    images[4, 1, 0, 0] ^= 1
    images[2, 1] = np.clip(images[0, 1].astype(int) + RANDOM.integers(-9, 10, (8, 6, 3)), 0, 255)
    found = preference.look_the_same(jnp.asarray(images), decibels=40.0)
    x = images.astype(np.float64) / 255
    error = np.square(x[:, None] - x[None]).mean((3, 4, 5))
    np.testing.assert_array_equal(found, error <= 1e-4)
    assert found[3, 1, 0] and found[4, 0, 1] and not found[2, 0, 1]


def test_members_resample_runs_by_their_duration() -> None:
    duration = jnp.arange(100, 1100)
    weights = np.asarray(preference.resampling(duration, members=3))
    np.testing.assert_array_equal(weights, preference.resampling(duration, members=3))
    assert weights.min() > 0
    np.testing.assert_allclose(weights.mean(1), 1, atol=0.1)
    assert np.abs(np.corrcoef(weights)[np.triu_indices(3, 1)]).max() < 0.1
    alone = preference.resampling(duration[7:8], members=3)
    np.testing.assert_array_equal(alone[:, 0], weights[:, 7])


def test_orders_of_clips() -> None:
    cut = jnp.array([2, 4])
    rewound = [[0, 0], [1, 1], [2, 2], [1, 3], [0, 4], [0, 3]]
    np.testing.assert_array_equal(clip_orders.rewound(cut, length=6), rewound)
    truncated = [[0, 0], [1, 1], [2, 2], [2, 3], [2, 4], [2, 4]]
    np.testing.assert_array_equal(clip_orders.truncated(cut, length=6), truncated)
    shuffled = np.asarray(clip_orders.shuffled(jax.random.key(0), length=6, runs=50))
    np.testing.assert_array_equal(np.sort(shuffled, 0), clip_orders.forwards(6, runs=50))
    assert len({tuple(order) for order in shuffled.T}) > 40


def test_orders_are_mixed_by_their_shares() -> None:
    shares = clip_orders.Shares(rewound=0.3, truncated=0.2, shuffled=0.1)
    mixed = clip_orders.mixed(jax.random.key(0), length=12, runs=4000, shares=shares)
    moved = np.diff(np.asarray(mixed), axis=0)
    forwards = (moved == 1).all(0)
    stands = ((moved == 0) | (moved == 1)).all(0) & ~forwards
    back = (np.abs(moved) <= 1).all(0) & (moved == -1).any(0)
    found = [back.mean(), stands.mean(), 1 - (back | stands | forwards).mean(), forwards.mean()]
    np.testing.assert_allclose(found, [0.3, 0.2, 0.1, 0.4], atol=0.03)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (rank_metrics.kendall, scipy.stats.kendalltau),
        (rank_metrics.spearman, scipy.stats.spearmanr),
        (rank_metrics.pearson, scipy.stats.pearsonr),
    ],
)
def test_correlations_are_those_of_scipy(
    ours: Callable[[jax.Array, jax.Array], jax.Array], theirs: Callable[..., tuple[float, float]]
) -> None:
    x = RANDOM.integers(0, 12, (20, 4)).astype(np.float32)  # with ties
    y = (x + RANDOM.normal(0, 4, x.shape)).round().astype(np.float32)
    wanted = [theirs(a, b)[0] for a, b in zip(x.T, y.T, strict=True)]
    np.testing.assert_allclose(ours(jnp.asarray(x), jnp.asarray(y)), wanted, atol=1e-5)
    np.testing.assert_allclose(ours(jnp.asarray(x), jnp.asarray(-x)), -1, atol=1e-5)
    assert float(ours(jnp.ones(5), jnp.arange(5.0))) == 0
