"""Vectors to codes and back: a learned codebook (VQ) or one of rounded numbers (FSQ).

Sources: van den Oord et al., Neural discrete representation learning, 2017 (VQ); Mentzer et al.,
Finite scalar quantization, 2023 (FSQ).
"""

from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
from flax.struct import PyTreeNode

from dreamer_jax.nn.layers import truncated_normal
from dreamer_jax.world_model import finite_scalars

sg = jax.lax.stop_gradient
Codebook = dict[str, jax.Array]


class Quantized(PyTreeNode, kw_only=True):
    """Vectors after quantization."""

    tokens: jax.Array  # [*] int32
    vectors: jax.Array  # [*, width] float32, with a gradient for what was quantized
    losses: dict[str, jax.Array]  # [*] float32, without their scales


class Quantizer(NamedTuple):
    """A kind of quantization, as pure functions of its codebook."""

    init: Callable[[jax.Array], Codebook]  # (key)
    quantize: Callable[[Codebook, jax.Array], Quantized]  # (codebook, x [*, width])
    embed: Callable[[Codebook, jax.Array], jax.Array]
    """(codebook, tokens [*] integers) -> [*, width] float32"""
    averages: bool = False  # whether codes are averages of what they stand for, not descended


def nearest(x: jax.Array, vectors: jax.Array) -> jax.Array:
    """argmin_k ‖x - e_k‖²: [*, width], [codes, width] -> [*] int32; the first of equals.

    The term ‖x‖² is the same for all codes and is left out. (§ 3.1)
    """
    chex.assert_equal_shape_suffix([x, vectors], 1)
    # In the default precision of accelerators, near codes would be mistaken for each other.
    products = jnp.matmul(x, vectors.T, precision="highest")
    return jnp.argmin(jnp.square(vectors).sum(-1) - 2 * products, axis=-1).astype(jnp.int32)


def straight_through(x: jax.Array, vectors: jax.Array) -> jax.Array:
    """The value of `vectors` with the gradient of `x`: x + sg(e - x), [*, width]. (§ 3.2)"""
    chex.assert_equal_shape([x, vectors])
    return x + sg(vectors - x)


def commitment_loss(x: jax.Array, vectors: jax.Array) -> jax.Array:
    """mean (x - sg(e))² over the width, [*, width] -> [*]: pulls x toward its code. (§ 3.2)"""
    return jnp.square(x - sg(vectors)).mean(-1)


def codebook_loss(x: jax.Array, vectors: jax.Array) -> jax.Array:
    """mean (sg(x) - e)² over the width, [*, width] -> [*]: pulls the code toward x. (§ 3.2)"""
    return jnp.square(sg(x) - vectors).mean(-1)


def look_up(vectors: jax.Array, tokens: jax.Array) -> jax.Array:
    """The rows of `tokens`: [codes, width], [*] integers -> [*, width].

    A product, because the gradient of indexing adds up in no fixed order on an accelerator.
    """
    chosen = jax.nn.one_hot(tokens, len(vectors), dtype=vectors.dtype)
    return jnp.matmul(chosen, vectors, precision="highest")


def vq(*, codes: int, width: int, averages: bool = True) -> Quantizer:
    """A learned codebook of `codes` vectors.

    With `averages` each code is the running average of the vectors that it stands for
    (`code_averages`); otherwise `codebook_loss` moves it.
    """

    def init(key: jax.Array) -> Codebook:
        return {"vectors": truncated_normal(scale=1.0, fan_in=1)(key, (codes, width))}

    def quantize(codebook: Codebook, x: jax.Array) -> Quantized:
        tokens = nearest(sg(x), sg(codebook["vectors"]))
        vectors = embed(codebook, tokens) if averages else look_up(codebook["vectors"], tokens)
        losses = {"commitment": commitment_loss(x, vectors)}
        if not averages:
            losses["codebook"] = codebook_loss(x, vectors)
        return Quantized(tokens=tokens, vectors=straight_through(x, vectors), losses=losses)

    def embed(codebook: Codebook, tokens: jax.Array) -> jax.Array:
        return codebook["vectors"][tokens]

    return Quantizer(init=init, quantize=quantize, embed=embed, averages=averages)


def fsq(*, levels: tuple[int, ...], width: int) -> Quantizer:
    """Projects to one number for each entry of `levels`, rounds, and projects back."""

    def init(key: jax.Array) -> Codebook:
        down, up = jax.random.split(key)
        d = len(levels)
        return {
            "down": truncated_normal(scale=1.0, fan_in=width)(down, (width, d)),
            "down_bias": jnp.zeros(d),
            "up": truncated_normal(scale=1.0, fan_in=d)(up, (d, width)),
            "up_bias": jnp.zeros(width),
        }

    def quantize(codebook: Codebook, x: jax.Array) -> Quantized:
        numbers = jnp.matmul(x, codebook["down"], precision="highest") + codebook["down_bias"]
        numbers = finite_scalars.rounded(numbers, levels)
        tokens = finite_scalars.to_tokens(sg(numbers), levels)
        return Quantized(tokens=tokens, vectors=project_up(codebook, numbers), losses={})

    def embed(codebook: Codebook, tokens: jax.Array) -> jax.Array:
        return project_up(codebook, finite_scalars.from_tokens(tokens, levels))

    def project_up(codebook: Codebook, numbers: jax.Array) -> jax.Array:
        scaled = numbers / (np.asarray(levels, np.float32) // 2)
        return jnp.matmul(scaled, codebook["up"], precision="highest") + codebook["up_bias"]

    return Quantizer(init=init, quantize=quantize, embed=embed)


def by_name(name: str, *, codes: int, width: int, levels: tuple[int, ...]) -> Quantizer:
    """The quantizer of this name: `vq`, `vq_gradient` or `fsq`."""
    make: dict[str, Any] = {
        "vq": partial(vq, codes=codes, width=width),
        "vq_gradient": partial(vq, codes=codes, width=width, averages=False),
        "fsq": partial(fsq, levels=levels, width=width),
    }
    assert name != "fsq" or prod(levels) == codes
    return make[name]()
