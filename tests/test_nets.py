"""Layers against NumPy: first weights, norms, block-diagonal products, convolutions, reshapes."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamer_jax.nn.forms import conv5x5_max_pool, product, upsample_conv5x5
from dreamer_jax.nn.layers import MLP, BlockLinear, Conv, Linear, NormAct
from dreamer_jax.nn.plain.batches import batch_major, batch_minor

KEY = jax.random.key(0)
F32 = jnp.dtype("float32")


def first_weights(layer: nn.Module, *shape: int) -> dict[str, np.ndarray]:
    """Parameters of a fresh layer for an input of `shape`."""
    params: dict[str, Any] = dict(jax.jit(layer.init)(KEY, jnp.zeros(shape))["params"])
    return {name: np.asarray(x) for name, x in params.items()}


def random_weights(layer: nn.Module, *inputs: jax.Array) -> dict[str, np.ndarray]:
    """Parameters of the layer, all replaced by normal numbers, biases and scales too."""
    params = jax.eval_shape(layer.init, KEY, *inputs)["params"]
    generator = np.random.default_rng(0)
    return jax.tree.map(lambda x: generator.normal(size=x.shape).astype(np.float32), params)


def apply(layer: nn.Module, params: Any, *inputs: jax.Array) -> np.ndarray:
    return np.asarray(layer.apply({"params": params}, *inputs))


@pytest.mark.parametrize(
    ("layer", "shape", "fan_in"),
    [
        (Linear(units=700, scale=1.0, dtype=F32), (1, 300), 300),
        (Linear(units=700, scale=0.01, dtype=F32), (1, 300), 300 * 100**2),
        (
            BlockLinear(units=150, dtype=F32),
            (1, 8, 150),
            8 * 150,
        ),  # of the whole layer, not of a block
        (Conv(channels=120, conv=conv5x5_max_pool, dtype=F32), (1, 6, 6, 60), 25 * 60),
    ],
)
def test_first_weights(layer: nn.Module, shape: tuple[int, ...], fan_in: int) -> None:
    weights = first_weights(layer, *shape)
    unit = 1 / np.sqrt(fan_in)
    assert weights["kernel"].std() == pytest.approx(unit, rel=0.01)
    assert weights["kernel"].mean() == pytest.approx(0, abs=0.01 * unit)
    largest = 2 / 0.87962566 * unit  # cut at two deviations, then rescaled
    assert 0.97 * largest < np.abs(weights["kernel"]).max() <= largest * (1 + 1e-6)
    assert (weights["bias"] == 0).all()


def test_scale_0_starts_at_exactly_zero() -> None:
    assert (first_weights(Linear(units=5, scale=0.0, dtype=F32), 1, 3)["kernel"] == 0).all()


@pytest.mark.parametrize("shape", [(4, 3, 5), (5, 1000, 64), (5, 1000, 8)])
def test_product_is_a_product_in_whatever_order(shape: tuple[int, ...]) -> None:
    """Value and both gradients against the plain form, for few rows and many, wide and narrow."""
    random = np.random.default_rng(3)
    x = jnp.asarray(random.normal(size=shape), jnp.float32)
    kernel = jnp.asarray(random.normal(size=(shape[-1], 16)), jnp.float32)
    weight = jnp.asarray(random.normal(size=(*shape[:-1], 16)), jnp.float32)

    def both(form: Any) -> Any:
        return jax.jit(jax.value_and_grad(lambda x, w: jnp.vdot(weight, form(x, w)), (0, 1)))

    found, plain = both(product)(x, kernel), both(jnp.matmul)(x, kernel)
    for actual, expected in zip(jax.tree.leaves(found), jax.tree.leaves(plain), strict=True):
        size = float(jnp.abs(expected).max())
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5 * size)


def test_norm_starts_at_scale_1() -> None:
    np.testing.assert_array_equal(first_weights(NormAct(dtype=F32), 1, 4)["scale"], np.ones(4))


def norm_act(x: np.ndarray, scale: np.ndarray) -> np.ndarray:
    x = x.astype(np.float64)
    x = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-4) * scale
    return x / (1 + np.exp(-x))


@pytest.mark.parametrize("size", [1.0, 0.01, 0.0])  # small inputs show the 1e-4
def test_norm_act(size: float) -> None:
    x = size * np.random.default_rng(1).normal(size=(4, 7)).astype(np.float32)
    params = random_weights(NormAct(dtype=F32), jnp.asarray(x))
    actual = apply(NormAct(dtype=F32), params, jnp.asarray(x))
    np.testing.assert_allclose(actual, norm_act(x, params["scale"]), rtol=1e-4, atol=1e-6)


def test_norm_is_float32_whatever_the_input() -> None:
    # In bfloat16 the mean square of these would lose 300 of its 1,000 terms.
    x = jnp.ones((1, 1000), jnp.bfloat16) * 3
    y = NormAct(dtype=jnp.dtype("bfloat16")).apply({"params": {"scale": jnp.ones(1000)}}, x)
    assert isinstance(y, jax.Array) and y.dtype == jnp.bfloat16
    np.testing.assert_allclose(np.asarray(y, np.float32), 1 / (1 + np.exp(-1)), rtol=4e-3)


def test_mlp() -> None:
    x = np.random.default_rng(1).normal(size=(3, 5)).astype(np.float32)
    layer = MLP(layers=2, units=6, dtype=F32)
    params: Any = random_weights(layer, jnp.asarray(x))
    expected = x
    for i in range(2):
        dense = params[f"layer{i}"]
        expected = norm_act(expected @ dense["kernel"] + dense["bias"], params[f"norm{i}"]["scale"])
    np.testing.assert_allclose(apply(layer, params, jnp.asarray(x)), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shared", [0, 4])
def test_block_linear_is_a_dense_matrix_with_blocks(shared: int) -> None:
    blocks, width, units = 3, 2, 5
    generator = np.random.default_rng(1)
    x = generator.normal(size=(6, blocks, width)).astype(np.float32)
    extra = generator.normal(size=(6, shared)).astype(np.float32)
    inputs = [jnp.asarray(x), jnp.asarray(extra)] if shared else [jnp.asarray(x)]
    layer = BlockLinear(units=units, dtype=F32)
    params = random_weights(layer, *inputs)
    dense = np.zeros((blocks * width + shared, blocks * units))
    for g, kernel in enumerate(params["kernel"]):
        columns = slice(g * units, (g + 1) * units)
        dense[g * width : (g + 1) * width, columns] = kernel[:width]
        dense[blocks * width :, columns] = kernel[width:]
    rows = np.concatenate([x.reshape(6, -1), extra], axis=-1)
    expected = rows @ dense + params["bias"].reshape(-1)
    actual = apply(layer, params, *inputs).reshape(6, -1)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


def test_block_linear_fan_in_counts_the_shared_input_for_each_block() -> None:
    layer = BlockLinear(units=150, dtype=F32)
    kernel = layer.init(KEY, jnp.zeros((1, 8, 50)), jnp.zeros((1, 100)))["params"]["kernel"]
    assert np.asarray(kernel).std() == pytest.approx(1 / np.sqrt(8 * 150), rel=0.01)


def plain_conv(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Pixel by pixel, with zeros around the image."""
    padded = np.pad(x, [(0, 0), (2, 2), (2, 2), (0, 0)])
    y = np.zeros((*x.shape[:3], kernel.shape[-1]))
    for i in range(x.shape[1]):
        for j in range(x.shape[2]):
            patch = padded[:, i : i + 5, j : j + 5]
            y[:, i, j] = np.einsum("nhwc,hwco->no", patch, kernel)
    return y


@pytest.mark.parametrize("shape", [(2, 6, 4, 3), (2, 3, 3, 3), (1, 4, 4, 20)])
def test_upsampling_conv(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    layer = Conv(channels=2, conv=upsample_conv5x5, dtype=F32)
    params = random_weights(layer, jnp.asarray(x))
    expected = plain_conv(x.repeat(2, 1).repeat(2, 2), params["kernel"]) + params["bias"]
    np.testing.assert_allclose(apply(layer, params, jnp.asarray(x)), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", [(2, 6, 4, 3), (2, 2, 8, 3), (1, 4, 4, 20)])
def test_pooling_conv(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    layer = Conv(channels=2, conv=conv5x5_max_pool, dtype=F32)
    params = random_weights(layer, jnp.asarray(x))
    every = plain_conv(x, params["kernel"]) + params["bias"]
    expected = [
        [every[:, i : i + 2, j : j + 2].max((1, 2)) for j in range(0, shape[2], 2)]
        for i in range(0, shape[1], 2)
    ]
    expected = np.moveaxis(np.array(expected), 2, 0)
    np.testing.assert_allclose(apply(layer, params, jnp.asarray(x)), expected, rtol=1e-4, atol=1e-4)


def test_conv_gradients() -> None:
    """A convolution is linear in both inputs, so a step along the gradient tells its length."""
    generator = np.random.default_rng(2)
    x = jnp.asarray(generator.normal(size=(3, 4, 4, 2)), jnp.float32)
    layer = Conv(channels=3, conv=upsample_conv5x5, dtype=F32)
    params = random_weights(layer, x)
    upstream = generator.normal(size=(3, 8, 8, 3)).astype(np.float32)

    def loss(params: Any, x: jax.Array) -> jax.Array:
        return (jnp.asarray(layer.apply({"params": params}, x)) * upstream).sum()

    to_params, to_x = jax.jit(jax.grad(loss, (0, 1)))(params, x)
    for name in ("kernel", "bias"):
        step = {**params, name: params[name] + to_params[name]}
        gain = float(loss(step, x) - loss(params, x))
        assert gain == pytest.approx(float((to_params[name] ** 2).sum()), rel=1e-3)
    gain = float(loss(params, x + to_x) - loss(params, x))
    assert gain == pytest.approx(float((to_x**2).sum()), rel=1e-3)


def test_batch_major_keeps_the_last_batch_axis_outermost() -> None:
    x = jnp.arange(2 * 3 * 4).reshape(2, 3, 4)  # [T, B, n]
    merged = batch_major(x, event_axes=1)
    expected = [x[t, b] for b in range(3) for t in range(2)]
    np.testing.assert_array_equal(merged, np.stack(expected))


@pytest.mark.parametrize("batch", [(5,), (2, 3), (4, 2, 3)])
@pytest.mark.parametrize("event", [(), (4,), (2, 2)])
def test_batch_minor_undoes_batch_major(batch: tuple[int, ...], event: tuple[int, ...]) -> None:
    x = jnp.arange(np.prod(batch + event)).reshape(batch + event)
    merged = batch_major(x, event_axes=len(event))
    np.testing.assert_array_equal(batch_minor(merged, batch=batch), x)
