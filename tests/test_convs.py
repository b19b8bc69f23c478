"""Both forms of the convolutions against XLA's own and each other, values and both gradients."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamer_jax.nn.cpu import convs as cpu_convs
from dreamer_jax.nn.plain import convs

Conv = Callable[[jax.Array, jax.Array], jax.Array]


def reference(x: jax.Array, kernel: jax.Array) -> jax.Array:
    layout = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=layout)


def pool_reference(x: jax.Array, kernel: jax.Array) -> jax.Array:
    y = reference(x, kernel)
    n, h, w, c = y.shape
    return y.reshape(n, h // 2, 2, w // 2, 2, c).max((2, 4))


def upsample_reference(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return reference(x.repeat(2, 1).repeat(2, 2), kernel)


class Operation(NamedTuple):
    """One convolution in all its forms."""

    reference: Conv
    plain: Conv
    for_cpu: Conv
    scale: float  # of the output's sides


POOL = Operation(pool_reference, convs.conv5x5_max_pool, cpu_convs.conv5x5_max_pool, 0.5)
UPSAMPLE = Operation(upsample_reference, convs.upsample_conv5x5, cpu_convs.upsample_conv5x5, 2)
BOTH = pytest.mark.parametrize("operation", [POOL, UPSAMPLE], ids=["pool", "upsample"])


def values_and_gradients(conv: Conv, x: jax.Array, kernel: jax.Array, dy: jax.Array) -> list:
    y, pullback = jax.vjp(conv, x, kernel)
    return [y, *pullback(dy.astype(y.dtype))]


def looped(conv: Conv, x: jax.Array, kernel: jax.Array, dy: jax.Array) -> list:
    """`values_and_gradients`, computed in the body of a loop whose result depends on its count."""
    one = partial(values_and_gradients, conv)
    zeros = jax.tree.map(jnp.zeros_like, jax.eval_shape(one, x, kernel, dy))
    add = partial(jax.tree.map, jnp.add)
    return jax.lax.fori_loop(0, 2, lambda i, total: add(total, one(x * (i + 1), kernel, dy)), zeros)


def arguments(operation: Operation, n: int, h: int, w: int, cin: int, cout: int) -> list[jax.Array]:
    rng = np.random.default_rng(0)
    out = (n, int(operation.scale * h), int(operation.scale * w), cout)
    shapes = (n, h, w, cin), (5, 5, cin, cout), out
    return [jnp.asarray(rng.standard_normal(shape), jnp.float32) for shape in shapes]


def assert_near(actual: list, expected: list, tolerance: float) -> None:
    for a, e in zip(actual, expected, strict=True):
        assert (a.shape, a.dtype) == (e.shape, e.dtype)
        a, e = np.asarray(a, np.float32), np.asarray(e, np.float32)
        np.testing.assert_allclose(a, e, rtol=0, atol=tolerance * np.abs(e).max())


def assert_twins(operation: Operation, how: Callable[..., list], args: list[jax.Array]) -> None:
    """Both forms give what the reference gives, and the same as each other."""
    forms = (operation.reference, operation.plain, operation.for_cpu)
    expected, plain, for_cpu = (jax.jit(partial(how, form))(*args) for form in forms)
    assert_near(plain, expected, 1e-5)
    assert_near(for_cpu, expected, 1e-5)
    assert_near(for_cpu, plain, 1e-5)


@BOTH
@pytest.mark.parametrize(("cin", "cout"), [(1, 3), (3, 8), (16, 3), (24, 8)])
@pytest.mark.parametrize("side", [4, 6, 8, 12, 16, 24, 48, 64])
def test_values_and_gradients(side: int, cin: int, cout: int, operation: Operation) -> None:
    args = arguments(operation, 2, side, side, cin, cout)
    assert_twins(operation, values_and_gradients, args)


@BOTH
@pytest.mark.parametrize(
    ("n", "h", "w"), [(1, 2, 2), (7, 6, 4), (24, 4, 10), (33, 6, 6), (64, 8, 6)]
)
def test_any_batch_and_sides(n: int, h: int, w: int, operation: Operation) -> None:
    assert_twins(operation, values_and_gradients, arguments(operation, n, h, w, 3, 8))


@BOTH
@pytest.mark.parametrize("cin", [3, 24])
def test_within_a_loop(cin: int, operation: Operation) -> None:
    assert_twins(operation, looped, arguments(operation, 32, 8, 8, cin, 8))


@BOTH
@pytest.mark.parametrize("form", ["plain", "for_cpu"])
def test_bfloat16(form: str, operation: Operation) -> None:
    """Types are kept; sums are float32, so the results are as near as their inputs."""
    small = [a.astype(jnp.bfloat16) for a in arguments(operation, 32, 8, 8, 3, 8)]
    actual = jax.jit(partial(values_and_gradients, getattr(operation, form)))(*small)
    assert {a.dtype for a in actual} == {jnp.dtype("bfloat16")}
    wide = [a.astype(jnp.float32) for a in small]
    exact = jax.jit(partial(values_and_gradients, operation.reference))(*wide)
    # Rounding moves some maxima to another place, and with them the way that gradients take.
    fixed = 1 if operation is POOL else 3
    assert_near([a.astype(jnp.float32) for a in actual[:fixed]], exact[:fixed], 2e-2)


def test_depth_to_space_by_hand() -> None:
    x = jnp.arange(8).reshape(1, 1, 2, 4)
    np.testing.assert_array_equal(convs.depth_to_space(x)[0, ..., 0], [[0, 1, 4, 5], [2, 3, 6, 7]])
    np.testing.assert_array_equal(convs.space_to_depth(convs.depth_to_space(x)), x)


def test_pool_by_hand() -> None:
    x = jnp.arange(8.0).reshape(1, 2, 4, 1)
    np.testing.assert_array_equal(convs.max_pool(x)[0, ..., 0], [[5, 7]])


def test_gradient_goes_to_the_first_of_the_largest() -> None:
    """Flat parts of a picture are full of ties."""
    x = jnp.array([[3.0, 3, 1], [0, 3, 1], [2, 5, 1], [3, 5, 1]])
    y, pullback = jax.vjp(convs.largest, *x)
    np.testing.assert_array_equal(y, [3, 5, 1])
    expected = [[7, 0, 9], [0, 0, 0], [0, 8, 0], [0, 0, 0]]
    np.testing.assert_array_equal(pullback(jnp.array([7.0, 8, 9])), expected)
