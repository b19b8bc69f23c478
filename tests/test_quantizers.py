"""Codes against loops in NumPy, gradients, averages in closed form, and the revival of codes."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dreamer_jax.world_model import code_averages, finite_scalars, quantizers
from dreamer_jax.world_model.code_averages import CodeAverages
from dreamer_jax.world_model.quantizers import Codebook

pytestmark = pytest.mark.usefixtures("quick_compiler")

LEVELS = (4, 3, 2)
revived = jax.jit(code_averages.revived)  # one program instead of many
updated = jax.jit(code_averages.updated)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_nearest() -> None:
    x, vectors = normal(5, 3, 4), normal(7, 4, seed=1)
    found = quantizers.nearest(jnp.asarray(x), jnp.asarray(vectors))
    expected = np.empty((5, 3), np.int32)
    for i in np.ndindex(5, 3):
        distances = [float(np.square(x[i] - e).sum()) for e in vectors]
        expected[i] = distances.index(min(distances))
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == jnp.int32


def test_the_first_of_equal_codes() -> None:
    assert quantizers.nearest(jnp.ones((1, 2)), jnp.ones((3, 2))).tolist() == [0]


def test_straight_through() -> None:
    """The value of the code, the gradient of the vector, and none for the codebook."""
    x, vectors, weight = normal(6, 4), normal(8, 4, seed=1), normal(6, 4, seed=2)
    quantizer = quantizers.vq(codes=8, width=4)

    def total(x: jax.Array, vectors: jax.Array) -> jax.Array:
        return (weight * quantizer.quantize({"vectors": vectors}, x).vectors).sum()

    found = quantizer.quantize({"vectors": jnp.asarray(vectors)}, jnp.asarray(x))
    np.testing.assert_allclose(found.vectors, vectors[np.asarray(found.tokens)], atol=1e-6)
    to_x, to_codebook = jax.jit(jax.grad(total, (0, 1)))(x, vectors)
    np.testing.assert_allclose(to_x, weight)
    np.testing.assert_array_equal(to_codebook, np.zeros_like(vectors))


@pytest.mark.parametrize("averages", [True, False])
def test_losses_of_vq(averages: bool) -> None:
    """Commitment moves the vector toward its code, the codebook loss the code toward the vector."""
    x, vectors = normal(6, 4), normal(3, 4, seed=1)
    quantizer = quantizers.vq(codes=3, width=4, averages=averages)

    @partial(jax.jit, static_argnums=2)
    @partial(jax.grad, argnums=(0, 1))
    def gradients(x: jax.Array, vectors: jax.Array, name: str) -> jax.Array:
        return quantizer.quantize({"vectors": vectors}, x).losses[name].sum()

    tokens = np.asarray(quantizers.nearest(jnp.asarray(x), jnp.asarray(vectors)))
    away = (x - vectors[tokens]) / 2  # the gradient of a mean over four numbers
    to_x, to_codebook = gradients(x, vectors, "commitment")
    np.testing.assert_allclose(to_x, away, rtol=1e-5)
    assert not np.any(to_codebook)
    if averages:
        losses = quantizer.quantize({"vectors": jnp.asarray(vectors)}, jnp.asarray(x)).losses
        assert losses.keys() == {"commitment"}
        return
    to_x, to_codebook = gradients(x, vectors, "codebook")
    expected = np.zeros_like(vectors)
    np.add.at(expected, tokens, -away)
    assert not np.any(to_x)
    np.testing.assert_allclose(to_codebook, expected, rtol=1e-5, atol=1e-6)


def error_of_a_linear_model(straight_through: Callable[[jax.Array, jax.Array], jax.Array]) -> float:
    """Trains a linear encoder and decoder around two codes; their error, 1 for the mean.

    What is to be reproduced is the sign of the first of eight numbers, and the others are noise of
    ten times its size: two codes can tell it if the encoder learns to look at it.
    """
    optimizer = optax.adam(0.03)

    def loss(params: Codebook, key: jax.Array) -> jax.Array:
        signal, noise = jax.random.split(key)
        sign = jax.random.rademacher(signal, (64, 1), jnp.float32)
        x = jnp.concatenate([sign, 10 * jax.random.normal(noise, (64, 7))], -1) @ params["in"]
        codes = params["codes"]
        vectors = codes[quantizers.nearest(x, codes)]
        error = jnp.square(straight_through(x, vectors) @ params["out"] - sign).mean()
        moved = quantizers.codebook_loss(x, vectors) + quantizers.commitment_loss(x, vectors) / 4
        return error + 0.1 * moved.mean()

    def step(carry: Any, key: jax.Array) -> tuple[Any, jax.Array]:
        params, state = carry
        value, gradients = jax.value_and_grad(loss)(params, key)
        change, state = optimizer.update(gradients, state)
        return (optax.apply_updates(params, change), state), value

    params = {"in": normal(8, 1), "codes": np.array([[-1.0], [1.0]], np.float32)}
    params = jax.tree.map(jnp.asarray, params | {"out": normal(1, 1)})
    keys = jax.random.split(jax.random.key(0), 600)
    _, errors = jax.jit(partial(jax.lax.scan, step))((params, optimizer.init(params)), keys)
    return float(errors[-50:].mean())


def test_nothing_is_learned_without_the_gradient_through_the_codes() -> None:
    assert error_of_a_linear_model(quantizers.straight_through) < 0.3
    assert error_of_a_linear_model(lambda _, vectors: vectors) > 0.8


def test_averages_in_closed_form() -> None:
    """After n batches the weight of batch i is (1 - γ) γ^(n - 1 - i)."""
    decay, smoothing, batches = 0.7, 0.1, [normal(2, 5, 3, seed=i) for i in range(4)]
    tokens = [np.random.default_rng(i).integers(0, 3, (2, 5)) for i in range(4)]  # code 3 has none
    averages = code_averages.initial(codes=4, width=3)
    for x, codes in zip(batches, tokens, strict=True):
        averages = updated(averages, jnp.asarray(x), jnp.asarray(codes), decay=decay)
    count, total = np.zeros(4), np.zeros((4, 3))
    for i, (x, codes) in enumerate(zip(batches, tokens, strict=True)):
        for k in range(4):
            weight = (1 - decay) * decay ** (3 - i)
            count[k] += weight * (codes == k).sum()
            total[k] += weight * x[codes == k].sum(0)
    np.testing.assert_allclose(averages.count, count, rtol=1e-5)
    np.testing.assert_allclose(averages.total, total, rtol=1e-4, atol=1e-6)
    smooth = (count + smoothing) / (count.sum() + 4 * smoothing) * count.sum()
    vectors = code_averages.code_vectors(averages, smoothing=smoothing)
    np.testing.assert_allclose(vectors, total / smooth[:, None], rtol=1e-4, atol=1e-6)


def test_revival() -> None:
    """Dead codes become vectors of the batch that no code describes, each another one."""
    x = jnp.asarray(normal(10, 3))
    error = jnp.where(jnp.arange(10) < 2, 1.0, 0.0)
    before = CodeAverages(count=jnp.array([0.1, 5, 0.3, 2]), total=jnp.asarray(normal(4, 3)))
    after, dead = revived(before, x, error, jax.random.key(0), threshold=0.2)
    assert dead.tolist() == [True, False, True, False]  # below a fifth of 10 / 4
    alive = ~np.asarray(dead)
    np.testing.assert_array_equal(after.count, np.where(alive, before.count, 2.5))
    np.testing.assert_array_equal(after.total[alive], before.total[alive])
    became = np.asarray(after.total)[np.asarray(dead)] / 2.5
    which = [int(np.abs(np.asarray(x) - e).sum(-1).argmin()) for e in became]
    np.testing.assert_allclose(became, np.asarray(x)[which], rtol=1e-5)
    assert set(which) == {0, 1}


def test_fewer_vectors_than_codes() -> None:
    before, x = code_averages.initial(codes=5, width=2), jnp.asarray(normal(2, 2))
    after, _ = revived(before, x, jnp.ones(2), jax.random.key(0), threshold=0.1)
    vectors = np.asarray(after.total / after.count[:, None])
    assert {tuple(e) for e in vectors.round(4)} == {tuple(e) for e in np.asarray(x).round(4)}


@pytest.mark.parametrize(("threshold", "recovers"), [(0.1, True), (1e-9, False)])
def test_a_collapsed_codebook_recovers(threshold: float, recovers: bool) -> None:
    """One code stands for all of eight clusters, and the others are far from everything."""
    centers = 10 * jnp.asarray(normal(8, 3))

    def step(averages: CodeAverages, key: jax.Array) -> tuple[CodeAverages, None]:
        vectors = code_averages.code_vectors(averages, smoothing=1e-5)
        x = jnp.repeat(centers, 4, 0) + 0.1 * jax.random.normal(key, (32, 3))
        tokens = quantizers.nearest(x, vectors)
        error = jnp.square(x - vectors[tokens]).sum(-1)
        averages = code_averages.updated(averages, x, tokens, decay=0.8)
        averages, _ = code_averages.revived(averages, x, error, key, threshold=threshold)
        return averages, None

    averages = CodeAverages(count=jnp.ones(16), total=jnp.full((16, 3), 1e3).at[0].set(0.0))
    averages, _ = jax.lax.scan(step, averages, jax.random.split(jax.random.key(0), 40))
    vectors = code_averages.code_vectors(averages, smoothing=1e-5)
    distances = jnp.square(centers[:, None] - vectors).sum(-1).min(-1)
    assert bool(distances.max() < 0.1) == recovers


def test_levels() -> None:
    """Every level is reached, none beyond; 0 stays 0, and the bounds are those of the paper."""
    sweep = jnp.linspace(-9, 9, 2001)[:, None].repeat(len(LEVELS), -1)
    found = np.asarray(finite_scalars.rounded(sweep, LEVELS))
    expected = [{-2, -1, 0, 1}, {-1, 0, 1}, {-1, 0}]
    assert [set(column.tolist()) for column in found.T] == expected
    np.testing.assert_allclose(finite_scalars.bounded(jnp.zeros(3), LEVELS), 0, atol=1e-6)
    half, offset = np.array([1.5, 1.0, 0.5]) * 1.001, np.array([0.5, 0, 0.5])
    by_hand = half * np.tanh(normal(3) + np.arctanh(offset / half)) - offset
    np.testing.assert_allclose(
        finite_scalars.bounded(jnp.asarray(normal(3)), LEVELS), by_hand, rtol=1e-4, atol=1e-5
    )


def test_the_gradient_of_a_rounded_number_is_that_of_the_bounded_one() -> None:
    x, weight = jnp.asarray(normal(5, 3)), normal(5, 3, seed=1)
    found, expected = (
        jax.jit(jax.grad(lambda x, form=form: (weight * form(x, LEVELS)).sum()))(x)
        for form in (finite_scalars.rounded, finite_scalars.bounded)
    )
    np.testing.assert_allclose(found, expected)
    assert np.all(np.asarray(found))


def test_codes_of_levels() -> None:
    """Each combination of levels has one code, and the first level counts fastest."""
    codes = jnp.arange(24).reshape(4, 6)
    numbers = finite_scalars.from_tokens(codes, LEVELS)
    assert len({tuple(x) for x in numbers.reshape(-1, 3).tolist()}) == 24
    np.testing.assert_array_equal(finite_scalars.to_tokens(numbers, LEVELS), codes)
    assert numbers[0, :2].tolist() == [[-2, -1, -1], [-1, -1, -1]]
    assert numbers[-1, -1].tolist() == [1, 1, 0]


@pytest.mark.parametrize("name", ["vq", "vq_gradient", "fsq"])
def test_tokens_give_the_vectors_that_were_quantized(name: str) -> None:
    quantizer = quantizers.by_name(name, codes=24, width=5, levels=LEVELS)

    @jax.jit
    def both(x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        codebook = quantizer.init(jax.random.key(1))
        found = quantizer.quantize(codebook, x)
        return found.tokens, found.vectors, quantizer.embed(codebook, found.tokens)

    tokens, vectors, embedded = both(jnp.asarray(3 * normal(2, 30, 5)))
    assert tokens.shape == (2, 30) and tokens.min() >= 0 and tokens.max() < 24
    np.testing.assert_allclose(embedded, vectors, atol=1e-5)
    assert len(set(tokens.ravel().tolist())) > 8


def test_the_gradient_reaches_what_is_before_and_after_rounding() -> None:
    quantizer = quantizers.fsq(levels=LEVELS, width=5)
    shapes = jax.eval_shape(quantizer.init, jax.random.key(0))
    codebook = {key: jnp.asarray(normal(*shape.shape)) for key, shape in shapes.items()}

    @jax.jit
    @partial(jax.grad, argnums=(0, 1))
    def gradients(codebook: Codebook, x: jax.Array) -> jax.Array:
        return jnp.square(quantizer.quantize(codebook, x).vectors).sum()

    found = gradients(codebook, jnp.asarray(normal(6, 5)))
    assert all(np.any(part) for part in jax.tree.leaves(found))
