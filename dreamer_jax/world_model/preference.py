"""Which of two frames of a run is the later one: pairs, and how well differences order them.

Source: Bradley & Terry, Rank analysis of incomplete block designs, 1952, as in learning from
preferences (Christiano et al., 2017). A frame is "preferred" to another one of the same run that
came before it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
from flax.struct import PyTreeNode


class Positions(NamedTuple):
    """All pairs of positions i < j of a clip of T moments; P = T (T - 1) / 2."""

    before: np.ndarray  # [P] int
    after: np.ndarray  # [P] int


class Pairs(PyTreeNode, kw_only=True):
    """What is true of the pairs of positions of clips, as they are played."""

    elapsed: jax.Array  # [P, B] float32, steps from the frame before to the one after, signed
    same: jax.Array  # [P, B] bool, whether the two frames cannot be told apart
    weight: jax.Array  # [P, B] float32


class Reader(NamedTuple):
    """A network that reads frames, as pure functions."""

    init: Callable[[jax.Array], Any]  # (key) -> params
    embed: Callable[[Any, jax.Array], jax.Array]
    """(params, frames [*, ...]) -> [*, F] float32"""


class Comparer(NamedTuple):
    """A model of progress, as pure functions: it says how far one frame is after another.

    `difference(a, b)` = -`difference(b, a)` up to rounding, so the same frame twice gives 0.
    """

    init: Callable[[jax.Array], Any]  # (key) -> params
    embed: Callable[[Any, jax.Array], jax.Array]
    """(params, frames [*, ...] as the model reads them) -> [*, F] float32"""
    difference: Callable[[Any, jax.Array, jax.Array], jax.Array]
    """(params, before [*, F], after [*, F]) -> [*] float32"""
    loss: Callable[[Any, jax.Array, jax.Array, jax.Array], jax.Array]
    """(params, before [*, F], after [*, F], elapsed [*], 0 where nobody can tell) -> [*]"""
    path: Callable[[jax.Array, jax.Array], jax.Array]
    """(sum of the differences along a clip [*], steps that it moved on [*]) -> loss [*]"""


def positions(length: int) -> Positions:
    """All pairs of positions of a clip of so many moments."""
    return Positions(*np.triu_indices(length, 1))


def pairs(time: jax.Array, same: jax.Array, order: jax.Array, *, near: float) -> Pairs:
    """The pairs of clips that are played in some order.

    A pair is weighed by |elapsed|^-near: at 0 as random pairs of moments come, of which most are
    far apart; at 1 each octave of time gaps counts about the same. Two positions that show the same
    moment weigh 0.

    Args:
      time: [T, B] int32, the true time of each moment in its run.
      same: [T, T, B] bool, which moments look the same. (`look_the_same`)
      order: [T, B] int32, which moment is played at each position. (`clip_orders`)
      near: exponent of the weights.
    """
    chex.assert_equal_shape([time, order])
    first, second = positions(len(time))
    played = jnp.take_along_axis(time, order, axis=0)
    elapsed = (played[second] - played[first]).astype(jnp.float32)
    gap = jnp.abs(elapsed)
    runs = jnp.arange(time.shape[1])
    return Pairs(
        elapsed=elapsed,
        same=same[order[first], order[second], runs],
        weight=jnp.where(gap > 0, jnp.maximum(gap, 1.0) ** -near, 0.0),
    )


def bradley_terry(difference: jax.Array, elapsed: jax.Array) -> jax.Array:
    """-ln P(the true order), where P(b after a) = sigmoid(s(b) - s(a)).

    Pairs of which nobody can tell the order, `elapsed` = 0, have the target 1/2: their loss is
    lowest where both scores are equal.

    difference: [*] s(b) - s(a); elapsed: [*], steps from a to b -> [*] float32.
    """
    chex.assert_equal_shape([difference, elapsed])
    target = (1 + jnp.sign(elapsed)) / 2
    return -target * jax.nn.log_sigmoid(difference) - (1 - target) * jax.nn.log_sigmoid(-difference)


def look_the_same(images: jax.Array, *, decibels: float) -> jax.Array:
    """Which pairs of frames of a clip are nearly identical: their PSNR is at least `decibels`.

    PSNR(a, b) = -10 log10 mean (a - b)², with pixels in [0, 1]. The order of such frames cannot be
    seen: a run that stands still, or comes back to a place, makes no progress by itself.

    images: [T, B, h, w, c] uint8 -> [T, T, B] bool.
    """
    chex.assert_rank(images, 5)
    chex.assert_type(images, jnp.uint8)
    flat = images.astype(jnp.float32).reshape(*images.shape[:2], -1) / 255
    # |a - b|² = |a|² + |b|² - 2 a·b is one product. Without the mean, little of it cancels out.
    flat = flat - flat.mean(0)
    square = jnp.square(flat).sum(-1)
    product = jnp.einsum("ibp,jbp->ijb", flat, flat, precision=jax.lax.Precision.HIGHEST)
    error = (square[:, None] + square[None] - 2 * product) / flat.shape[-1]
    return error <= 10 ** (-decibels / 10)


def resampling(duration: jax.Array, *, members: int) -> jax.Array:
    """How much each run counts for each member of an ensemble: [B] int32 -> [members, B] float32.

    Weights are those of the Bayesian bootstrap (Rubin, 1981): exponential with mean 1, where the
    random number of a run is a hash of its duration and of the member. Runs of one duration share
    their weight. No member is ever without data.
    """
    chex.assert_rank(duration, 1)

    def uniform(run: jax.Array, member: jax.Array) -> jax.Array:
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(0), member), run)
        return jax.random.uniform(key, minval=1e-4)

    of_runs = jax.vmap(uniform, in_axes=(0, None))
    return -jnp.log(jax.vmap(of_runs, in_axes=(None, 0))(duration, jnp.arange(members)))


def right(difference: jax.Array, elapsed: jax.Array) -> jax.Array:
    """1 where a difference has the sign of the elapsed time, 1/2 where it is 0, else 0: [*]."""
    chex.assert_equal_shape([difference, elapsed])
    return (1 + jnp.sign(difference) * jnp.sign(elapsed)) / 2
