"""Progress as the signed temporal distance of two frames.

Source: TimeRewarder (arXiv 2509.26627). A classifier over about 20 bins predicts how many steps
frame b comes after frame a; the distance d(o_t, o_t+1) of successive frames is the reward.

Distances are counted in steps, on a symlog scale, and not in shares of the run's length: the same
two frames are as far apart in a short run as in a long one, and a long run that gets nowhere must
not count as much as one that gets to the end. The symlog scale resolves single steps and thousands.
"""

from typing import Any

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp

from dreamer_jax.math import symexp, symlog
from dreamer_jax.nn.layers import MLP, Linear
from dreamer_jax.world_model.preference import Comparer, Reader


def bin_positions(count: int, *, longest: float) -> jax.Array:
    """Bins evenly spaced in symlog between -`longest` and `longest` steps: [count] float32.

    One half is mirrored, so that bins are symmetric to the last bit.
    Raises ValueError unless `count` is odd.
    """
    if count % 2 == 0:
        raise ValueError(f"distances need an odd number of bins, so that one is 0; got {count}")
    positive = jnp.linspace(0.0, symlog(jnp.float32(longest)), count // 2 + 1, dtype=jnp.float32)
    return jnp.concatenate([-positive[:0:-1], positive])


def two_hot_steps(steps: jax.Array, bins: jax.Array) -> jax.Array:
    """Spreads symlog(steps) over its two neighboring bins: [*], [L] even -> [*, L], sum 1.

    Distances beyond the ends put all weight on the end bin.
    """
    chex.assert_rank(bins, 1)
    place = jnp.clip(symlog(steps), bins[0], bins[-1])[..., None]
    return jnp.maximum(1 - jnp.abs(place - bins) / (bins[1] - bins[0]), 0.0)


def expected_steps(logits: jax.Array, bins: jax.Array) -> jax.Array:
    """symexp(Σ p_i b_i): [*, L], [L] -> [*] steps.

    The mean is taken on the symlog scale. On a linear one, a small chance of a thousand steps would
    outweigh all else. Mirrored bins are summed in pairs, so symmetric logits give exactly 0.
    """
    probs = jax.nn.softmax(logits, axis=-1)
    half = len(bins) // 2
    pairs = probs[..., half + 1 :] - probs[..., half - 1 :: -1]
    return symexp(jnp.sum(pairs * bins[half + 1 :], axis=-1))


class DistanceHead(nn.Module, kw_only=True):
    """Two embedded frames to logits of their distance, antisymmetric by construction.

    logits(a, b) = f(a, b) + reversed f(b, a): exchanging the frames mirrors the distribution.
    """

    units: int
    bins: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, before: jax.Array, after: jax.Array) -> jax.Array:
        """[*, F], [*, F] -> logits [*, L] float32."""
        chex.assert_equal_shape([before, after])
        hidden = MLP(layers=1, units=self.units, dtype=self.dtype, name="mlp")
        out = Linear(units=self.bins, scale=1.0, dtype=self.dtype, name="logits")

        def one_way(a: jax.Array, b: jax.Array) -> jax.Array:
            return out(hidden(jnp.concatenate([a, b], axis=-1))).astype(jnp.float32)

        return one_way(before, after) + one_way(after, before)[..., ::-1]


def path_loss(total: jax.Array, elapsed: jax.Array) -> jax.Array:
    """(symlog Σ d - symlog elapsed)²: the distances along a path add up to that of its ends. [*]

    Nothing in the distances of pairs says so. Without it, walking in a circle could pay.
    """
    chex.assert_equal_shape([total, elapsed])
    return jnp.square(symlog(total) - symlog(elapsed))


def make(reader: Reader, *, units: int, bins: int, longest: float, dtype: jnp.dtype) -> Comparer:
    """The model that compares what `reader` reads of two frames.

    Args:
      reader: of `units` numbers for each frame.
      units: also the width of the head.
      bins: of the distances; odd.
      longest: steps of the last bin; distances beyond it count as that.
      dtype: of the computation.
    """
    head = DistanceHead(units=units, bins=bins, dtype=dtype)
    places = bin_positions(bins, longest=longest)

    def init(key: jax.Array) -> Any:
        of_reader, of_head = jax.random.split(key)
        frame = jnp.zeros((1, units))
        return {"reader": reader.init(of_reader), "head": head.init(of_head, frame, frame)}

    def embed(params: Any, frames: jax.Array) -> jax.Array:
        return reader.embed(params["reader"], frames)

    def logits(params: Any, before: jax.Array, after: jax.Array) -> jax.Array:
        y = head.apply(params["head"], before, after)
        assert isinstance(y, jax.Array)
        return y

    def difference(params: Any, before: jax.Array, after: jax.Array) -> jax.Array:
        return expected_steps(logits(params, before, after), places)

    def loss(params: Any, before: jax.Array, after: jax.Array, elapsed: jax.Array) -> jax.Array:
        """Cross-entropy between the two-hot distance and the softmax."""
        y = logits(params, before, after)
        return -jnp.sum(two_hot_steps(elapsed, places) * jax.nn.log_softmax(y), axis=-1)

    return Comparer(init, embed, difference, loss, path=path_loss)
