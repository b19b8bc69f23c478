"""Scaling, two-hot bins, λ-returns and running moments against hand tables and slow loops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamer_jax.math import lambda_returns, merge_moments, symexp, symexp_bins, symlog, two_hot
from dreamer_jax.world_model import moments

BINS = np.asarray(symexp_bins(255))


def test_symlog_by_hand() -> None:
    x = jnp.array([0.0, np.e - 1, 1 - np.e, np.e**3 - 1])
    np.testing.assert_allclose(symlog(x), [0, 1, -1, 3], rtol=1e-6)


def test_symexp_undoes_symlog() -> None:
    x = np.concatenate([[0.0], 10.0 ** np.arange(-8, 9), -(10.0 ** np.arange(-8, 9))])
    np.testing.assert_allclose(symexp(symlog(jnp.asarray(x, jnp.float32))), x, rtol=2e-5)


@pytest.mark.parametrize("count", [3, 5, 41, 255])
def test_bins_are_symmetric_to_the_last_bit(count: int) -> None:
    bins = np.asarray(symexp_bins(count))
    assert bins.shape == (count,) and bins.dtype == np.float32
    np.testing.assert_array_equal(bins, -bins[::-1])
    assert bins[count // 2] == 0
    assert (np.diff(bins) > 0).all()
    even = np.linspace(-20, 20, count)
    np.testing.assert_allclose(bins, np.sign(even) * np.expm1(np.abs(even)), rtol=1e-5)


def test_bins_must_be_odd() -> None:
    with pytest.raises(ValueError, match="odd number of bins"):
        symexp_bins(254)


def two_hot_slowly(x: float, bins: np.ndarray) -> np.ndarray:
    """All weights of one number, by looking at every bin."""
    weights = np.zeros(bins.size)
    below = max((i for i, b in enumerate(bins) if b <= x), default=0)
    above = min(below + 1, bins.size - 1) if x >= bins[0] else 0
    to_below, to_above = abs(bins[below] - x), abs(bins[above] - x)
    total = to_below + to_above if above != below else 1
    weights[below] += to_above / total if above != below else 1
    weights[above] += to_below / total if above != below else 0
    return weights


def spread(x: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """`two_hot` of [n] numbers as NumPy, [n, L]."""
    return np.asarray(two_hot(jnp.asarray(x, jnp.float32), jnp.asarray(bins)))


def test_two_hot_by_hand() -> None:
    bins = np.asarray(symexp_bins(5))  # about -4.9e8, -22025, 0, 22025, 4.9e8
    step = bins[3]
    weights = spread(np.array([0, step / 4, -step / 4, step]), bins)
    expected = [[0, 0, 1, 0, 0], [0, 0, 0.75, 0.25, 0], [0, 0.25, 0.75, 0, 0], [0, 0, 0, 1, 0]]
    np.testing.assert_allclose(weights, expected, atol=1e-6)


def test_two_hot_against_a_look_at_every_bin() -> None:
    generator = np.random.default_rng(0)
    wide = generator.uniform(-20, 20, 300)
    x = np.concatenate([np.sign(wide) * np.expm1(np.abs(wide)), generator.normal(0, 2, 300)])
    x = x.astype(np.float32)
    weights = spread(x, BINS)
    slow = np.stack([two_hot_slowly(float(number), BINS.astype(np.float64)) for number in x])
    np.testing.assert_allclose(weights, slow, atol=1e-5)
    np.testing.assert_allclose(weights @ BINS, x, rtol=1e-5, atol=1e-6)
    assert ((weights > 0).sum(-1) <= 2).all() and (weights >= 0).all()


def test_two_hot_of_a_bin_is_one_hot() -> None:
    np.testing.assert_array_equal(spread(BINS, BINS), np.eye(255))


def test_two_hot_beyond_the_ends() -> None:
    weights = spread(np.array([-1e30, -5e8, 5e8, 1e30]), BINS)
    np.testing.assert_array_equal(weights, np.eye(255)[[0, 0, 254, 254]])


def trajectory(length: int = 9) -> tuple[np.ndarray, ...]:
    """Reward, discount, value and λ of a few random trajectories, [length, 3]."""
    generator = np.random.default_rng(1)
    reward, value = generator.normal(size=(2, length, 3))
    discount, mix = generator.uniform(size=(2, length, 3))
    return reward, discount, value, mix


def returns_of(*arrays: np.ndarray) -> np.ndarray:
    """`lambda_returns` of what `trajectory` returns."""
    reward, discount, value, mix = (jnp.asarray(x, jnp.float32) for x in arrays)
    return np.asarray(lambda_returns(reward, discount=discount, value=value, lambda_=mix))


def test_lambda_returns_by_hand() -> None:
    reward = np.array([100.0, 1.0, 2.0])  # the first reward came before the first action
    discount = np.array([100.0, 0.5, 0.25])
    value = np.array([100.0, 10.0, 20.0])
    mix = np.array([100.0, 0.5, 0.5])
    last = 2 + 0.25 * 20
    first = 1 + 0.5 * (0.5 * 10 + 0.5 * last)
    np.testing.assert_allclose(returns_of(reward, discount, value, mix), [first, last])


def test_lambda_returns_against_a_loop() -> None:
    reward, discount, value, mix = trajectory()
    following = value[-1]
    expected = np.zeros((8, 3))
    for t in reversed(range(8)):
        blend = (1 - mix[t + 1]) * value[t + 1] + mix[t + 1] * following
        following = expected[t] = reward[t + 1] + discount[t + 1] * blend
    np.testing.assert_allclose(returns_of(reward, discount, value, mix), expected, rtol=1e-5)


def test_lambda_0_looks_one_step_ahead() -> None:
    reward, discount, value, mix = trajectory()
    expected = reward[1:] + discount[1:] * value[1:]
    np.testing.assert_allclose(
        returns_of(reward, discount, value, 0 * mix), expected, rtol=1e-4, atol=1e-5
    )


def test_lambda_1_is_the_discounted_sum() -> None:
    reward, discount, value, mix = trajectory()
    expected = np.zeros((8, 3))
    for t in range(8):
        scale = np.ones(3)
        for later in range(t + 1, 9):
            expected[t] += scale * reward[later]
            scale = scale * discount[later]
        expected[t] += scale * value[-1]
    np.testing.assert_allclose(
        returns_of(reward, discount, value, 0 * mix + 1), expected, rtol=1e-4, atol=1e-5
    )


def test_lambda_returns_of_one_shape_only() -> None:
    """Other shapes would broadcast without an error."""
    with pytest.raises(AssertionError, match="shape"):
        returns_of(np.ones((4, 2)), np.ones((4, 1)), np.ones((4, 2)), np.ones((4, 2)))


def test_lambda_returns_less_values_are_generalized_advantages() -> None:
    reward, discount, value, mix = trajectory()
    surprise = reward[1:] + discount[1:] * value[1:] - value[:-1]
    advantage = np.zeros((9, 3))
    for t in reversed(range(8)):
        advantage[t] = surprise[t] + discount[t + 1] * mix[t + 1] * advantage[t + 1]
    # The last state has no successor: whatever its λ, its own value stands for what follows.
    returns = returns_of(reward, discount, value, mix)
    np.testing.assert_allclose(returns - value[:-1], advantage[:-1], rtol=1e-4, atol=1e-5)


def test_moments_are_those_of_all_rows_together() -> None:
    generator = np.random.default_rng(2)
    chunks = [generator.normal(50, [1, 0.1], (n, 2, 2)) for n in (1, 7, 3)]
    mean, variance, count = jnp.zeros(2), jnp.ones(2), jnp.zeros(())
    for chunk in chunks:
        x = jnp.asarray(chunk, jnp.float32)
        mean, variance, count = merge_moments(mean, variance, count, x, horizon=1e6)
    rows = np.concatenate([chunk.reshape(-1, 2) for chunk in chunks])
    np.testing.assert_allclose(mean, rows.mean(0), rtol=1e-6)
    np.testing.assert_allclose(variance, rows.var(0), rtol=1e-4)
    assert count == len(rows)


def test_moments_forget_beyond_the_horizon() -> None:
    mean, variance, count = jnp.zeros(1), jnp.zeros(1), jnp.float32(30)
    mean, variance, count = merge_moments(mean, variance, count, jnp.ones((10, 1)), horizon=30)
    # A quarter of the evidence is new: mean 1/4, and 1/4 * 3/4 between the groups.
    np.testing.assert_allclose([mean[0], variance[0], count], [1 / 4, 3 / 16, 30], rtol=1e-6)
    mean, _, count = merge_moments(mean, variance, count, jnp.ones((10, 1)), horizon=30)
    np.testing.assert_allclose([mean[0], count], [1 - (3 / 4) ** 2, 30], rtol=1e-6)


def test_vectors_are_standardized_and_the_rest_left_alone() -> None:
    x = jax.random.normal(jax.random.key(0), (64, 3)) * 2 + 1
    obs = {"state": x, "image": jnp.ones((64, 2), jnp.uint8)}
    start = {"state": moments.initial(3)}
    np.testing.assert_allclose(moments.standardize(start, obs)["state"], x, rtol=1e-6)
    scaled = moments.standardize(moments.update(start, obs, horizon=1e6), obs)
    np.testing.assert_allclose(scaled["state"].mean(0), np.zeros(3), atol=1e-5)
    np.testing.assert_allclose(scaled["state"].std(0), np.ones(3), rtol=1e-5)
    assert scaled["image"] is obs["image"]
    extreme = moments.standardize(start, {"state": jnp.array([[-1e9, 0.5, 11.0]])})["state"]
    assert extreme.tolist() == [[-10.0, 0.5, 10.0]]


def test_moments_are_those_of_the_last_axis() -> None:
    with pytest.raises(AssertionError, match="shape"):
        merge_moments(jnp.zeros(1), jnp.ones(1), jnp.zeros(()), jnp.ones((10, 3)), horizon=30)
