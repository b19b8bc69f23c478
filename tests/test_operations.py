"""Operations counted against formulas that were worked out by hand."""

import jax
import jax.numpy as jnp
import pytest

from experiments.bench.operations import Operations, count

N = 8
SQUARE = jnp.ones((N, N))


def counted(function, *inputs) -> Operations:
    return count(jax.jit(function).trace(*inputs).jaxpr)


def test_matrix_product() -> None:
    found = counted(lambda x, y: x @ y, jnp.ones((3, 5)), jnp.ones((5, 7)))
    assert found == Operations(2 * 3 * 5 * 7, 4 * (3 * 5 + 5 * 7 + 3 * 7))


def test_a_batch_of_products_in_bfloat16() -> None:
    x = jnp.ones((4, N, N), jnp.bfloat16)
    assert counted(jnp.matmul, x, x) == Operations(4 * 2 * N**3, 3 * 2 * 4 * N**2)


def test_a_loop_counts_as_often_as_it_runs() -> None:
    def power(x: jax.Array) -> jax.Array:
        return jax.lax.scan(lambda y, _: (y @ x, None), x, None, length=11)[0].sum()

    once = 2 * N**3
    assert counted(power, SQUARE).flops == 11 * once
    # Backwards, each product has two gradients.
    assert counted(jax.grad(power), SQUARE).flops == 3 * 11 * once


def test_a_loop_of_unknown_length_counts_once() -> None:
    found = counted(lambda n: jax.lax.fori_loop(0, n, lambda _, y: y @ y, SQUARE), 5)
    assert found.flops == 2 * N**3


def test_the_largest_branch_counts() -> None:
    def either(flag: jax.Array) -> jax.Array:
        return jax.lax.cond(flag, lambda x: x @ x @ x, lambda x: x @ x, SQUARE)

    assert counted(either, jnp.bool_(True)).flops == 2 * 2 * N**3


@pytest.mark.parametrize("stride", [1, 2])
def test_convolution(stride: int) -> None:
    image, kernel = jnp.ones((2, 16, 16, 3)), jnp.ones((5, 5, 3, 8))
    layout = ("NHWC", "HWIO", "NHWC")

    def convolve(image: jax.Array) -> jax.Array:
        strides = (stride, stride)
        return jax.lax.conv_general_dilated(
            image, kernel, strides, "SAME", dimension_numbers=layout
        ).sum()

    flops = 2 * 2 * (16 // stride) ** 2 * 8 * (5 * 5 * 3)
    assert counted(convolve, image).flops == flops
    # The gradient of the image is as many operations; what a stride has left out is not counted.
    assert counted(jax.grad(convolve), image).flops == pytest.approx(2 * flops)
