"""Every form for a CPU gives the numbers of its plain twin; the backend decides between them.

`test_convs.py` has the same for the convolutions.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamer_jax.nn import forms
from dreamer_jax.nn.cpu import blocks as cpu_blocks
from dreamer_jax.nn.cpu import convs as cpu_convs
from dreamer_jax.nn.cpu import products as cpu_products
from dreamer_jax.nn.layers import Conv, NormAct
from dreamer_jax.nn.plain import batches, convs, products

F32, BF16 = jnp.dtype("float32"), jnp.dtype("bfloat16")


def normal(*shapes: tuple[int, ...]) -> list[jax.Array]:
    generator = np.random.default_rng(0)
    return [jnp.asarray(generator.normal(size=shape), jnp.float32) for shape in shapes]


def values_and_gradients(form: Callable[..., Any], dy: jax.Array, *inputs: Any) -> list[Any]:
    """The output of `form` and the gradients of all inputs, where dy is that of the output."""

    def both(dy: jax.Array, *inputs: Any) -> Any:
        y, pullback = jax.vjp(form, *inputs)
        return y, pullback(dy)

    return jax.tree.leaves(jax.jit(both)(dy, *inputs))


def assert_same(found: list[Any], expected: list[Any]) -> None:
    """Equal up to the rounding of a sum in another order."""
    for a, b in zip(found, expected, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * float(jnp.abs(b).max()))


@pytest.mark.parametrize("shape", [(4, 3, 5), (5, 1000, 64), (5, 1000, 8)])
def test_product(shape: tuple[int, ...]) -> None:
    """For few rows and many, wide and narrow."""
    x, kernel, dy = normal(shape, (shape[-1], 16), (*shape[:-1], 16))
    twins = (cpu_products.product, products.product)
    assert_same(*(values_and_gradients(form, dy, x, kernel) for form in twins))


def test_look_up() -> None:
    """A symbol that occurs twice, and one that never does."""
    table, dy = normal((5, 3), (2, 2, 3))
    symbols = jnp.array([[0, 3], [3, 4]])
    found, expected = (
        values_and_gradients(lambda x, form=form: form(x, symbols, dtype=F32), dy, table)
        for form in (cpu_products.look_up, products.look_up)
    )
    assert_same(found, expected)
    np.testing.assert_array_equal(found[0], np.asarray(table)[np.asarray(symbols)])


@pytest.mark.parametrize("form", [cpu_products.look_up, products.look_up])
def test_gradients_of_a_frequent_symbol_are_summed_in_float32(form: Any) -> None:
    table, symbols = jnp.zeros((2, 1)), jnp.zeros(20_000, jnp.int32)
    found = jax.grad(lambda x: (0.01 * form(x, symbols, dtype=BF16)).sum().astype(F32))(table)
    np.testing.assert_allclose(found, [[200], [0]], rtol=0.01)


class Stage(nn.Module):
    """The parts of a convolutional stack, on [N, ...]."""

    @nn.compact
    def __call__(self, x: jax.Array, shift: jax.Array) -> jax.Array:
        x = Conv(channels=3, conv=forms.conv5x5_max_pool, dtype=F32)(x) + shift[:, None, None, :]
        return Conv(channels=2, conv=forms.upsample_conv5x5, dtype=F32)(NormAct(dtype=F32)(x))


class Batched(nn.Module):
    """`Stage` on [T, B, ...]."""

    form: Callable[..., jax.Array]

    @nn.compact
    def __call__(self, x: jax.Array, shift: jax.Array) -> jax.Array:
        return self.form(Stage(name="stage"), x, shift, batch_axes=x.ndim - 3)


def stage_weights() -> Any:
    """All normal numbers, biases and scales too."""
    x, shift = jnp.zeros((1, 4, 4, 1)), jnp.zeros((1, 3))
    shapes = jax.eval_shape(Stage().init, jax.random.key(0), x, shift)["params"]
    generator = np.random.default_rng(1)
    draw = jax.tree.map(lambda x: generator.normal(size=x.shape).astype(np.float32), shapes)
    return {"params": {"stage": draw}}


@pytest.mark.parametrize(
    ("steps", "rows"), [(6, 16), (10, 16), (7, 32), (3, 2 * cpu_blocks.BLOCK), (6, 1)]
)
def test_a_stack_a_few_steps_at_a_time(steps: int, rows: int) -> None:
    shapes = ((steps, rows, 4, 4, 1), (steps, rows, 3), (steps, rows, 4, 4, 2))
    x, shift, dy = normal(*shapes)
    found, expected = (
        values_and_gradients(Batched(form).apply, dy, stage_weights(), x, shift)
        for form in (cpu_blocks.batch_apply, batches.batch_apply)
    )
    assert_same(found, expected)


def test_a_stack_stores_little_for_the_backward_pass() -> None:
    """The values between the layers of a stack would be many times its input."""
    x, shift = jnp.zeros((64, 16, 32, 32, 1)), jnp.zeros((64, 16, 3))

    def temporary(form: Callable[..., jax.Array]) -> int:
        def loss(weights: Any) -> jax.Array:
            return jnp.square(jnp.asarray(Batched(form).apply(weights, x, shift))).sum()

        compiled = jax.jit(jax.grad(loss)).lower(stage_weights()).compile()
        memory = compiled.memory_analysis()
        assert memory is not None
        return memory.temp_size_in_bytes

    assert temporary(cpu_blocks.batch_apply) < 8 * x.nbytes < temporary(batches.batch_apply)


def test_step_by_step() -> None:
    x, kernel, dy = normal((6, 3, 4), (4, 5), (6, 3))

    def entropy(x: jax.Array, scale: jax.Array) -> jax.Array:
        log_probs = jax.nn.log_softmax(scale * (x @ kernel))
        return -(jnp.exp(log_probs) * log_probs).sum(-1)

    scale = jnp.linspace(1, 2, 18).reshape(6, 3, 1)
    found = values_and_gradients(
        lambda *given: cpu_blocks.step_by_step(entropy, *given), dy, x, scale
    )
    assert_same(found, values_and_gradients(entropy, dy, x, scale))


class Normed(nn.Module):
    """A module without a convolution: its program depends on how it is applied alone."""

    form: Callable[..., jax.Array]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return self.form(NormAct(dtype=F32, name="norm"), x, batch_axes=x.ndim - 1)


def normed(form: Callable[..., jax.Array]) -> Callable[[jax.Array], Any]:
    return partial(Normed(form).apply, {"params": {"norm": {"scale": jnp.ones(3)}}})


def read(form: Callable[..., jax.Array]) -> Callable[[jax.Array], jax.Array]:
    return lambda table: form(table, jnp.zeros((2, 3), jnp.int32), dtype=F32)


def program(form: Callable[..., Any], *inputs: jax.Array) -> str:
    """Everything that `form` and its backward pass compute."""

    def both(*inputs: jax.Array) -> Any:
        y, pullback = jax.vjp(form, *inputs)
        return y, pullback(y)

    return str(jax.make_jaxpr(both)(*inputs))


KERNEL_SHAPES = (1, 4, 4, 2), (5, 5, 2, 3)
DECISIONS: list[tuple[Any, Any, Any, tuple[tuple[int, ...], ...]]] = [
    (
        forms.conv5x5_max_pool,
        cpu_convs.conv5x5_max_pool,
        convs.conv5x5_max_pool,
        KERNEL_SHAPES,
    ),
    (
        forms.upsample_conv5x5,
        cpu_convs.upsample_conv5x5,
        convs.upsample_conv5x5,
        KERNEL_SHAPES,
    ),
    (
        read(forms.look_up),
        read(cpu_products.look_up),
        read(products.look_up),
        ((5, 3),),
    ),
    (
        normed(forms.batch_apply),
        normed(cpu_blocks.batch_apply),
        normed(batches.batch_apply),
        ((6, 4, 3),),
    ),
    (
        partial(forms.step_by_step, jnp.sin, batch_axes=2),
        partial(cpu_blocks.step_by_step, jnp.sin),
        jnp.sin,
        ((6, 4, 3),),
    ),
]


@pytest.mark.parametrize("backend", ["cpu", "gpu"])
@pytest.mark.parametrize(("form", "for_cpu", "plain", "shapes"), DECISIONS)
def test_the_backend_decides(
    form: Any, for_cpu: Any, plain: Any, shapes: Any, backend: str, monkeypatch: Any
) -> None:
    inputs = normal(*shapes)
    expected, other = program(for_cpu, *inputs), program(plain, *inputs)
    if backend == "gpu":
        expected, other = other, expected
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    assert program(form, *inputs) == expected != other


@pytest.mark.parametrize("backend", ["cpu", "gpu"])
@pytest.mark.parametrize("devices", [1, 2])
def test_the_order_of_a_gradient_is_for_one_cpu(
    backend: str, devices: int, monkeypatch: Any
) -> None:
    """Rows that devices share must not be merged."""
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    inputs = normal((5, 1000, 64), (64, 16))
    with jax.sharding.use_abstract_mesh(jax.sharding.AbstractMesh((devices,), ("data",))):
        found = program(forms.product, *inputs)
    assert ("optimization_barrier" in found) == (backend == "cpu" and devices == 1)


def test_one_batch_axis_is_done_at_once() -> None:
    """There are no time steps to go through."""
    (x,) = normal((4, 3))
    assert program(normed(forms.batch_apply), x) == program(normed(batches.batch_apply), x)
    alone = partial(forms.step_by_step, jnp.sin, batch_axes=1)
    assert program(alone, x) == program(jnp.sin, x)
