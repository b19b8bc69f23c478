"""Which pixels of an image moved, so that the loss of images can look there."""

import chex
import jax
import jax.numpy as jnp

FLOOR = 1e-6  # of squared changes of brightnesses in [0, 1]


def motion_weights(images: jax.Array, is_first: jax.Array, *, share: float) -> jax.Array:
    """Weights of pixels: `share` of the whole in proportion to how much each of them changes.

        c = |x_t - x_{t-1}|² / channels       w = 1 - share + share (c + ε) / mean(c + ε)

    The mean is over the pixels of one image. So the weights of an image have a mean of 1, and they
    are all 1 where nothing changes. A ball of one pixel weighs little in the squared error of an
    image that hardly changes, and the latents may leave it out. Here it gets a part of the share,
    in proportion to the square of its contrast. Where an image scrolls, so do all of its edges.

    Pixels that a thing has left weigh as much as those where it has arrived. Where it is not known
    which of the two a pixel is, the best guess is drawn toward the thing, at most halfway.

    Args:
      images: [T, B, h, w, c] uint8.
      is_first: [T, B] bool, whether an image begins an episode. It and the first of the sequence
        have no image before them; their weights are 1.
      share: 0 to 1. 0: all weights are 1.

    Returns: [T, B, h, w, 1] float32.
    """
    chex.assert_rank(images, 5)
    chex.assert_type([images, is_first], [jnp.uint8, bool])
    chex.assert_shape(is_first, images.shape[:2])
    x = images.astype(jnp.float32) / 255
    change = jnp.square(x[1:] - x[:-1]).mean(-1, keepdims=True)
    change = jnp.concatenate([jnp.zeros_like(change[:1]), change])
    change = jnp.where(is_first[..., None, None, None], 0, change) + FLOOR
    return 1 - share + share * change / change.mean((2, 3, 4), keepdims=True)
