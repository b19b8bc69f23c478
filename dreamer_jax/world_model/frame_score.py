"""Progress as one score for each frame: P(b after a) = sigmoid(s(b) - s(a)).

A difference of scores depends on nothing but its two ends: whatever a clip does in between, its
differences add up to s(end) - s(begin). As a reward it is that of a potential (Ng et al., 1999), so
no cycle pays.
"""

from typing import Any

import jax

from dreamer_jax.world_model.preference import Comparer, Reader, bradley_terry


def make(reader: Reader) -> Comparer:
    """The model whose score is the one number that `reader` reads of a frame."""

    def difference(params: Any, before: jax.Array, after: jax.Array) -> jax.Array:
        del params
        return (after - before)[..., 0]

    def loss(params: Any, before: jax.Array, after: jax.Array, elapsed: jax.Array) -> jax.Array:
        return bradley_terry(difference(params, before, after), elapsed)

    return Comparer(reader.init, reader.embed, difference, loss, path=bradley_terry)
