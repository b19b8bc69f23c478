"""Which pixels of an image moved, so that the loss of images can look there."""

import chex
import jax
import jax.numpy as jnp

STILL = 1e-6  # squared change, of brightnesses in [0, 1], that counts as none


def motion_weights(images: jax.Array, is_first: jax.Array, *, share: float) -> jax.Array:
    """Weights of pixels: `share` of the whole in proportion to how much each of them changes.

        c = |x_t - x_{t-1}|² / channels       w = 1 - share + share (c + ε) / mean(c + ε)

    The mean is over the pixels of one image. So the weights of an image have a mean of 1, and they
    are 1 where nothing moves or all of it does. A ball of one pixel weighs little in the squared
    error of an image that hardly changes, and the latents may leave it out. Here it weighs as much
    as all that moves.

    Pixels that a thing has left weigh as much as those where it has arrived. The mean of what is
    not known is therefore drawn toward what moves: the larger the share, the more.

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
    change = jnp.where(is_first[..., None, None, None], 0, change) + STILL
    return 1 - share + share * change / change.mean((2, 3, 4), keepdims=True)
