"""Distances of frames: bins, antisymmetry, paths."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamer_jax.world_model import temporal_distance as td
from dreamer_jax.world_model.preference import Reader

BINS = td.bin_positions(21, longest=1000.0)


def test_bins_are_mirrored_and_even_in_symlog() -> None:
    np.testing.assert_array_equal(BINS, -BINS[::-1])
    np.testing.assert_allclose(np.diff(np.asarray(BINS)), np.log(1001) / 10, rtol=1e-5)
    with pytest.raises(ValueError, match="odd number of bins"):
        td.bin_positions(20, longest=1000.0)


def test_a_two_hot_distance_is_read_back() -> None:
    steps = jnp.array([-1000.0, -37.0, -1.0, 0.0, 1.0, 2.0, 15.0, 999.0])
    weights = td.two_hot_steps(steps, BINS)
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-5)
    assert ((np.asarray(weights) > 1e-6).sum(-1) <= 2).all()
    logits = jnp.log(jnp.maximum(weights, 1e-30))
    np.testing.assert_allclose(td.expected_steps(logits, BINS), steps, rtol=1e-3, atol=1e-4)
    far = td.expected_steps(jnp.log(td.two_hot_steps(jnp.array([5e4]), BINS) + 1e-30), BINS)
    np.testing.assert_allclose(far, 1000, rtol=1e-3)


def test_exchanged_frames_have_the_negative_distance() -> None:
    reader = Reader(init=lambda _: {}, embed=lambda _, frames: frames)
    model = td.make(reader, units=8, bins=21, longest=1000.0, dtype=jnp.dtype("float32"))
    steps = jnp.linspace(-500, 500, 30)

    @jax.jit
    def both_ways(key: jax.Array) -> tuple[jax.Array, ...]:
        params = model.init(key)
        a, b = jax.random.normal(key, (2, 30, 8))
        return (
            model.difference(params, a, b),
            model.difference(params, b, a),
            model.difference(params, a, a),
            model.loss(params, a, b, steps),
            model.loss(params, b, a, -steps),
        )

    there, back, itself, *losses = both_ways(jax.random.key(0))
    np.testing.assert_allclose(there, -back, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(itself, 0, atol=1e-5)
    assert np.abs(np.asarray(there)).min() > 1e-3
    # A pair has the loss of its exchange: clips played backwards teach nothing of their own.
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_distances_along_a_path_have_to_add_up() -> None:
    assert td.path_loss(jnp.float32(12.0), jnp.float32(12.0)) == 0
    circle = td.path_loss(jnp.array([-3.0, 0.0, 3.0]), jnp.zeros(3))
    np.testing.assert_allclose(circle, np.log(4) ** 2 * np.array([1, 0, 1]), rtol=1e-6)
    slope = jax.grad(td.path_loss)(jnp.float32(3.0), jnp.float32(0.0))
    assert slope > 0, "a circle that pays is paid less"
