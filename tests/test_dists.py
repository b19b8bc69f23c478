"""Distributions against formulas worked out in NumPy, and samples against frequencies."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamer_jax.math import symexp_bins
from dreamer_jax.nn.dists import Bernoulli, BoundedNormal, Categorical, Choices, Ensemble, TwoHot

LOGITS = np.random.default_rng(0).normal(0, 2, (6, 5)).astype(np.float32)
OTHER = np.random.default_rng(1).normal(0, 2, (6, 5)).astype(np.float32)


def softmax(x: np.ndarray) -> np.ndarray:
    grown = np.exp(x.astype(np.float64) - x.max(-1, keepdims=True))
    return grown / grown.sum(-1, keepdims=True)


def mixed(logits: np.ndarray, unimix: float = 0.01) -> np.ndarray:
    return (1 - unimix) * softmax(logits) + unimix / logits.shape[-1]


def categorical(logits: np.ndarray, unimix: float = 0.01) -> Categorical:
    return Categorical.from_logits(jnp.asarray(logits), unimix=unimix)


def even(count: int) -> jax.Array:
    """Numbers spread evenly over [0, 1), in the middle of `count` equal slices."""
    return (jnp.arange(count) + 0.5) / count


def test_unimix_is_part_of_the_probabilities() -> None:
    np.testing.assert_allclose(categorical(LOGITS).probs, mixed(LOGITS), rtol=1e-5)
    sure = categorical(np.array([[1000.0, 0, 0, 0]], np.float32))
    np.testing.assert_allclose(sure.probs[0], [0.9925, 0.0025, 0.0025, 0.0025], rtol=1e-5)
    np.testing.assert_allclose(sure.log_prob(jnp.array([2])), [math.log(0.0025)], rtol=1e-5)


def test_entropy() -> None:
    p = mixed(LOGITS)
    expected = -(p * np.log(p)).sum(-1)
    np.testing.assert_allclose(categorical(LOGITS).entropy(), expected, rtol=1e-5)
    np.testing.assert_allclose(categorical(np.zeros((1, 8))).entropy(), [math.log(8)], rtol=1e-6)


@pytest.mark.parametrize("unimix", [0.0, 1e-300, 1e-40, 1e-30, 0.01])
def test_certainty_has_finite_entropy_and_gradients(unimix: float) -> None:
    """Classes whose probability is 0 in float32 add nothing to entropy, KL and their gradients."""
    sure = jnp.array([1000.0, 0.0, -1000.0])
    for size in (0.0, 1.0, 100.0):
        dist = Categorical.from_logits(size * sure, unimix=unimix)
        p = mixed(np.asarray(size * sure, np.float64), unimix)
        expected = -(p[p > 0] * np.log(p[p > 0])).sum()
        np.testing.assert_allclose(dist.entropy(), expected, rtol=1e-4, atol=1e-6)

    def entropy(logits: jax.Array) -> jax.Array:
        return Categorical.from_logits(logits, unimix=unimix).entropy()

    def kl(logits: jax.Array) -> jax.Array:
        other = Categorical.from_logits(logits[::-1], unimix=unimix)
        return Categorical.from_logits(logits, unimix=unimix).kl(other)

    assert not np.asarray(jax.grad(entropy)(sure)).any()
    assert np.isfinite(kl(sure)) and kl(sure) > 1
    assert np.isfinite(jax.grad(kl)(sure)).all()
    # Away from certainty, the gradient is that of differences.
    near, step = jnp.array([0.3, -0.2, 0.1]), 1e-2
    found = [(entropy(near + step * e) - entropy(near - step * e)) / (2 * step) for e in jnp.eye(3)]
    np.testing.assert_allclose(jax.grad(entropy)(near), found, atol=1e-4)


def test_kl() -> None:
    p, q = mixed(LOGITS), mixed(OTHER)
    expected = (p * (np.log(p) - np.log(q))).sum(-1)
    actual = categorical(LOGITS).kl(categorical(OTHER))
    np.testing.assert_allclose(actual, expected, rtol=1e-4)
    np.testing.assert_array_equal(categorical(LOGITS).kl(categorical(LOGITS)), np.zeros(6))


def test_straight_through_is_a_one_hot_with_the_gradient_of_mixed_probabilities() -> None:
    index = jnp.array([0, 1, 2, 3, 4, 0])
    upstream = jnp.asarray(OTHER)

    def sampled(logits: jax.Array) -> jax.Array:
        return (
            Categorical.from_logits(logits, unimix=0.01).straight_through(index) * upstream
        ).sum()

    p = softmax(LOGITS)
    expected = 0.99 * p * (OTHER - (p * OTHER).sum(-1, keepdims=True))  # Jacobian of a softmax
    np.testing.assert_allclose(jax.grad(sampled)(jnp.asarray(LOGITS)), expected, atol=1e-6)
    one_hot = categorical(LOGITS).straight_through(index)
    np.testing.assert_allclose(one_hot, np.eye(5)[np.asarray(index)], atol=1e-6)


def test_each_class_owns_its_slice_of_the_unit_interval() -> None:
    count = 100_000
    dist = jax.tree.map(lambda x: x[0], categorical(LOGITS))
    wide = Categorical(jnp.broadcast_to(dist.log_probs, (count, 5)))
    samples = np.asarray(wide.sample(even(count)))
    assert (np.diff(samples) >= 0).all()  # an inverse of the cumulative distribution
    shares = np.bincount(samples, minlength=5) / count
    np.testing.assert_allclose(shares, mixed(LOGITS)[0], atol=2e-5)


EXTREME = np.array([[-1e4, 1e4, 0, -1e4], [0, 0, 0, 1e3], [1e3, 0, 0, 0]], np.float32)


@pytest.mark.parametrize("logits", EXTREME)
def test_every_class_is_sampled_as_often_as_its_log_probability_says(logits: np.ndarray) -> None:
    """Even where the logits alone leave no chance to most classes."""
    count = 40_000
    dist = categorical(np.broadcast_to(logits, (count, 4)))
    samples = np.asarray(dist.sample(even(count)))
    said = np.exp(dist.log_prob(jnp.asarray(samples)))
    for index in range(4):
        assert (samples == index).mean() == pytest.approx(said[samples == index][0], abs=1e-4)


@pytest.mark.parametrize("logits", EXTREME)
def test_the_ends_of_the_unit_interval_belong_to_the_outer_classes(logits: np.ndarray) -> None:
    """Each reaches as far inwards as its probability, however unlikely it is."""
    ends = np.array([0.0, 0.0024, 1 - 0.0024, np.nextafter(np.float32(1), np.float32(0))])
    dist = categorical(np.broadcast_to(logits, (4, 4)))
    np.testing.assert_array_equal(dist.sample(jnp.asarray(ends, jnp.float32)), [0, 0, 3, 3])


def test_choices_sample_every_class_as_often_as_its_log_probability_says() -> None:
    count, classes = 40_000, (4, 2)
    logits = jnp.asarray(np.broadcast_to([-1e3, 1e3, 0, 0, 1e3, -1e3], (count, 6)), jnp.float32)
    choices = Choices.from_logits(logits, classes=classes, unimix=0.01)
    samples = np.asarray(choices.sample(jnp.stack([even(count), even(count)], -1)))
    for i, (part, size) in enumerate(zip(choices.parts, classes, strict=True)):
        shares = np.bincount(samples[:, i], minlength=size) / count
        np.testing.assert_allclose(shares, np.exp(part.log_probs[0]), atol=1e-4)


def test_borders_belong_to_the_upper_class() -> None:
    dist = Categorical(jnp.log(jnp.array([[0.25, 0.25, 0.5]] * 6)))
    first, second, _ = np.cumsum(np.asarray(dist.probs[0]))
    below = np.nextafter(np.array([first, second, 1.0], np.float32), np.float32(0))
    uniform = np.array([0.0, below[0], first, below[1], second, below[2]], np.float32)
    np.testing.assert_array_equal(dist.sample(jnp.asarray(uniform)), [0, 0, 1, 1, 2, 2])


def test_the_last_class_is_never_exceeded() -> None:
    dist = categorical(np.random.default_rng(3).normal(0, 5, (500, 256)).astype(np.float32))
    largest = float(np.nextafter(np.float32(1), np.float32(0)))
    samples = np.asarray(dist.sample(jnp.full(500, largest)))
    assert samples.dtype == np.int32 and samples.max() <= 255


def test_mode_is_the_most_likely_class() -> None:
    np.testing.assert_array_equal(categorical(LOGITS).mode(), LOGITS.argmax(-1))


def test_choices_are_independent_categoricals() -> None:
    classes = (2, 3)
    choices = Choices.from_logits(jnp.asarray(LOGITS), classes=classes, unimix=0.01)
    parts = [categorical(LOGITS[:, :2]), categorical(LOGITS[:, 2:])]
    index = jnp.array([[0, 2], [1, 1], [1, 0], [0, 0], [1, 2], [0, 1]])
    expected = parts[0].log_prob(index[:, 0]) + parts[1].log_prob(index[:, 1])
    np.testing.assert_allclose(choices.log_prob(index), expected, rtol=1e-6)
    entropies = parts[0].entropy() + parts[1].entropy()
    np.testing.assert_allclose(choices.entropy(), entropies, rtol=1e-6)
    np.testing.assert_array_equal(
        choices.mode(), np.stack([LOGITS[:, :2].argmax(-1), LOGITS[:, 2:].argmax(-1)], -1)
    )
    uniform = jax.random.uniform(jax.random.key(0), (6, 2))
    drawn = np.stack([part.sample(uniform[:, i]) for i, part in enumerate(parts)], -1)
    np.testing.assert_array_equal(choices.sample(uniform), drawn)
    assert choices.size == 2
    assert choices.max_entropy() == pytest.approx(math.log(2) + math.log(3))


def test_any_choice_is_as_likely_as_the_others() -> None:
    choices = Choices.from_logits(jnp.zeros((600, 5)), classes=(2, 3), unimix=0.0)
    uniform = jnp.stack([even(600), even(600)], -1)
    drawn = np.asarray(choices.anything(uniform))
    np.testing.assert_array_equal(np.bincount(drawn[:, 0]), [300, 300])
    np.testing.assert_array_equal(np.bincount(drawn[:, 1]), [200, 200, 200])


def test_bounded_normal() -> None:
    generator = np.random.default_rng(2)
    mean, stddev, x = (generator.normal(0, 3, (4, 2)).astype(np.float32) for _ in range(3))
    dist = BoundedNormal.from_outputs(jnp.asarray(mean), jnp.asarray(stddev))
    mu = np.tanh(mean.astype(np.float64))
    sigma = 0.9 / (1 + np.exp(-(stddev.astype(np.float64) + 2))) + 0.1
    np.testing.assert_allclose(dist.mean, mu, rtol=1e-5)
    np.testing.assert_allclose(dist.stddev, sigma, rtol=1e-5)
    np.testing.assert_array_equal(dist.mode(), dist.mean)
    density = np.exp(-0.5 * ((x - mu) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(dist.log_prob(jnp.asarray(x)), np.log(density).sum(-1), rtol=1e-4)
    entropy = (0.5 + 0.5 * np.log(2 * np.pi) + np.log(sigma)).sum(-1)
    np.testing.assert_allclose(dist.entropy(), entropy, rtol=1e-4)
    assert dist.size == 2
    assert dist.max_entropy() == pytest.approx(1 + math.log(2 * math.pi))


def test_bounded_normal_samples() -> None:
    count = 20_001
    outputs = jnp.ones((count, 1))
    dist = BoundedNormal.from_outputs(0.3 * outputs, -outputs)
    samples = np.asarray(dist.sample(even(count)[:, None]))[:, 0]
    mu, sigma = math.tanh(0.3), 0.9 / (1 + math.exp(-1)) + 0.1
    assert (np.diff(samples) > 0).all() and samples[count // 2] == pytest.approx(mu, abs=1e-6)
    assert samples.mean() == pytest.approx(mu, abs=1e-4)
    assert samples.std() == pytest.approx(sigma, rel=1e-3)
    within = np.mean(np.abs(samples - mu) < sigma)
    assert within == pytest.approx(math.erf(1 / math.sqrt(2)), abs=1e-3)
    assert np.isfinite(dist.sample(jnp.zeros((count, 1)))).all()
    np.testing.assert_allclose(dist.anything(jnp.full((1, 1), 0.25)), [[-0.5]])


def test_bernoulli_cross_entropy() -> None:
    logit, target = np.meshgrid([-3.0, 0.0, 0.5, 4.0], [0.0, 0.3, 332 / 333, 1.0])
    p = 1 / (1 + np.exp(-logit))
    expected = -target * np.log(p) - (1 - target) * np.log(1 - p)
    coin = Bernoulli(jnp.asarray(logit, jnp.float32))
    np.testing.assert_allclose(coin.probability, p, rtol=1e-5)
    np.testing.assert_allclose(coin.loss(jnp.asarray(target, jnp.float32)), expected, rtol=1e-4)
    assert np.isfinite(Bernoulli(jnp.array([-200.0, 200.0])).loss(jnp.array([1.0, 0.0]))).all()


@pytest.mark.parametrize("bins", [3, 41, 255])
def test_uniform_two_hot_has_a_mean_of_exactly_zero(bins: int) -> None:
    means = TwoHot(jnp.array([[0.0], [7.3], [-2e3]]) * jnp.ones(bins)).mean()
    np.testing.assert_array_equal(means, np.zeros(3))


def test_two_hot_mean() -> None:
    logits = np.random.default_rng(4).normal(size=(8, 41)).astype(np.float32)
    bins = np.asarray(symexp_bins(41)).astype(np.float64)
    probs = softmax(logits)
    largest = (probs * np.abs(bins)).sum(-1)  # float32 rounds in proportion to this
    error = np.abs(np.asarray(TwoHot(jnp.asarray(logits)).mean()) - probs @ bins)
    assert (error < 1e-6 * largest).all()
    one_bin = jnp.where(jnp.arange(41) == 25, 0.0, -1e9)
    np.testing.assert_allclose(TwoHot(one_bin).mean(), bins[25], rtol=1e-6)


def test_two_hot_loss_by_hand() -> None:
    logits = jnp.log(jnp.array([[0.1, 0.2, 0.4, 0.2, 0.1]] * 5))
    step = float(symexp_bins(5)[3])
    target = jnp.array([0.0, step, step / 4, -1e20, 1e20])
    ln = np.log
    expected = [-ln(0.4), -ln(0.2), -0.75 * ln(0.4) - 0.25 * ln(0.2), -ln(0.1), -ln(0.1)]
    np.testing.assert_allclose(TwoHot(logits).loss(target), expected, rtol=1e-5)


def test_two_hot_loss_pulls_toward_the_target_and_not_the_target_itself() -> None:
    logits = jnp.asarray(LOGITS[:1])
    target = symexp_bins(5)[3:4] / 4
    to_logits, to_target = jax.grad(lambda z, y: TwoHot(z).loss(y).sum(), argnums=(0, 1))(
        logits, target
    )
    expected = softmax(LOGITS[:1]) - [[0, 0, 0.75, 0.25, 0]]
    np.testing.assert_allclose(to_logits, expected, atol=1e-6)
    np.testing.assert_array_equal(to_target, [0])


@pytest.mark.parametrize("combine", [jnp.mean, jnp.min])
def test_what_an_ensemble_says(combine: Any) -> None:
    logits = jax.random.normal(jax.random.key(8), (3, 7, 41))
    parts = tuple(TwoHot(x) for x in logits)
    means = np.stack([part.mean() for part in parts])
    expected = means.mean(0) if combine is jnp.mean else means.min(0)
    np.testing.assert_allclose(Ensemble(parts, combine).mean(), expected, rtol=1e-6)


CATEGORICAL = Categorical(jnp.log(jnp.full((3, 4), 0.25)))
NORMAL = BoundedNormal(mean=jnp.zeros((3, 2)), stddev=jnp.ones((3, 2)))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: CATEGORICAL.sample(jnp.zeros((3, 1))),
        lambda: CATEGORICAL.log_prob(jnp.zeros((1,), jnp.int32)),
        lambda: CATEGORICAL.kl(Categorical(CATEGORICAL.log_probs[:1])),
        lambda: Choices.from_logits(jnp.zeros((3, 6)), classes=(2, 3), unimix=0.0),
        lambda: Choices((CATEGORICAL,)).sample(jnp.zeros((3, 2))),
        lambda: NORMAL.sample(jnp.zeros((3, 1))),
        lambda: NORMAL.log_prob(jnp.zeros(2)),
        lambda: Bernoulli(jnp.zeros((3, 1))).loss(jnp.zeros(3)),
        lambda: TwoHot(jnp.zeros((3, 5))).loss(jnp.zeros((3, 1))),
    ],
)
def test_shapes_that_would_be_broadcast_are_refused(wrong: Callable[[], Any]) -> None:
    with pytest.raises(AssertionError):
        wrong()
