"""Every form of the convolutions against XLA's own, values and both gradients."""

from collections.abc import Callable
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamer_jax.nn import convs

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


PAIRS = [
    (convs.conv5x5_max_pool, pool_reference),
    (convs.upsample_conv5x5, upsample_reference),
]
SCALE: dict[Conv, float] = {
    convs.conv5x5_max_pool: 0.5,
    convs.upsample_conv5x5: 2,
}  # of the output's sides


def values_and_gradients(conv: Conv, x: jax.Array, kernel: jax.Array, dy: jax.Array) -> list:
    y, pullback = jax.vjp(conv, x, kernel)
    return [y, *pullback(dy.astype(y.dtype))]


def looped(conv: Conv, x: jax.Array, kernel: jax.Array, dy: jax.Array) -> list:
    """`values_and_gradients`, computed in the body of a loop whose result depends on its count."""
    one = partial(values_and_gradients, conv)
    zeros = jax.tree.map(jnp.zeros_like, jax.eval_shape(one, x, kernel, dy))
    add = partial(jax.tree.map, jnp.add)
    return jax.lax.fori_loop(0, 2, lambda i, total: add(total, one(x * (i + 1), kernel, dy)), zeros)


def arguments(conv: Conv, n: int, h: int, w: int, cin: int, cout: int) -> list[jax.Array]:
    rng = np.random.default_rng(0)
    out = (n, int(SCALE[conv] * h), int(SCALE[conv] * w), cout)
    shapes = (n, h, w, cin), (5, 5, cin, cout), out
    return [jnp.asarray(rng.standard_normal(shape), jnp.float32) for shape in shapes]


def assert_near(actual: list, expected: list, tolerance: float) -> None:
    for a, e in zip(actual, expected, strict=True):
        assert (a.shape, a.dtype) == (e.shape, e.dtype)
        a, e = np.asarray(a, np.float32), np.asarray(e, np.float32)
        np.testing.assert_allclose(a, e, rtol=0, atol=tolerance * np.abs(e).max())


def compiled(conv: Conv) -> Callable[..., list]:
    """`values_and_gradients`, compiled for the backend that the test pretends to have."""
    return jax.jit(partial(values_and_gradients, conv))


@cache
def known(conv: Conv, plain: Conv, *shape: int) -> tuple[list, list]:
    """Arguments, and what the reference makes of them, which is the same for both backends."""
    args = arguments(conv, *shape)
    return args, compiled(plain)(*args)


@pytest.fixture(params=["cpu", "gpu"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The forms for either backend; both compute on the one at hand."""
    monkeypatch.setattr(jax, "default_backend", lambda: request.param)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize(("conv", "plain"), PAIRS)
@pytest.mark.parametrize(("cin", "cout"), [(1, 3), (3, 8), (16, 3), (24, 8)])
@pytest.mark.parametrize("side", [4, 6, 8, 12, 16, 24, 48, 64])
def test_values_and_gradients(side: int, cin: int, cout: int, conv: Conv, plain: Conv) -> None:
    args, expected = known(conv, plain, 2, side, side, cin, cout)
    assert_near(compiled(conv)(*args), expected, 1e-5)


@pytest.mark.parametrize(("conv", "plain"), PAIRS)
@pytest.mark.parametrize(
    ("n", "h", "w"), [(1, 2, 2), (7, 6, 4), (24, 4, 10), (33, 6, 6), (64, 8, 6)]
)
def test_any_batch_and_sides(n: int, h: int, w: int, conv: Conv, plain: Conv) -> None:
    args, expected = known(conv, plain, n, h, w, 3, 8)
    assert_near(compiled(conv)(*args), expected, 1e-5)


@pytest.mark.parametrize(("conv", "plain"), PAIRS)
@pytest.mark.parametrize("cin", [3, 24])
def test_within_a_loop(cin: int, conv: Conv, plain: Conv) -> None:
    args = arguments(conv, 32, 8, 8, cin, 8)
    expected = jax.jit(partial(looped, plain))(*args)
    assert_near(jax.jit(partial(looped, conv))(*args), expected, 1e-5)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize(("conv", "plain"), PAIRS)
def test_bfloat16(conv: Conv, plain: Conv) -> None:
    """Types are kept; sums are float32, so the results are as near as their inputs."""
    small = [a.astype(jnp.bfloat16) for a in arguments(conv, 32, 8, 8, 3, 8)]
    actual = compiled(conv)(*small)
    assert {a.dtype for a in actual} == {jnp.dtype("bfloat16")}
    exact = compiled(plain)(*(a.astype(jnp.float32) for a in small))
    # Rounding moves some maxima to another place, and with them the way that gradients take.
    fixed = 1 if conv is convs.conv5x5_max_pool else 3
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
