"""Progress as one score for each frame, read by a ResNet-34 from its pixels.

P(b after a) = sigmoid(s(b) - s(a)). A difference of scores depends on nothing but its two ends:
whatever a clip does in between, its differences add up to s(end) - s(begin). As a reward it is that
of a potential (Ng et al., 1999), so no cycle pays.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from dreamer_jax.world_model.preference import Comparer, bradley_terry
from dreamer_jax.world_model.resnet import ResNet34, over_batches


def make(*, width: int, image: tuple[int, int, int], dtype: jnp.dtype) -> Comparer:
    """The model for images [h, w, c].

    Args:
      width: channels of the first stage; 64 in the paper.
      image: height, width and channels.
      dtype: of the computation.
    """
    network = ResNet34(width=width, outputs=1, dtype=dtype)

    def init(key: jax.Array) -> Any:
        return network.init(key, jnp.zeros((1, *image), jnp.uint8))

    def embed(params: Any, images: jax.Array) -> jax.Array:
        return over_batches(network, params, images)

    return scored(init, embed)


def scored(
    init: Callable[[jax.Array], Any], embed: Callable[[Any, jax.Array], jax.Array]
) -> Comparer:
    """A comparer whose embedding [*, 1] is a score."""

    def difference(params: Any, before: jax.Array, after: jax.Array) -> jax.Array:
        del params
        return (after - before)[..., 0]

    def loss(params: Any, before: jax.Array, after: jax.Array, elapsed: jax.Array) -> jax.Array:
        return bradley_terry(difference(params, before, after), elapsed)

    return Comparer(init, embed, difference, loss, path=bradley_terry)
