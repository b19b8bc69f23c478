"""LaProp with adaptive gradient clipping, as an optax chain."""

import chex
import jax
import jax.numpy as jnp
import optax


def laprop(
    *,
    learning_rate: float,
    warmup: int,
    clip: float,
    clip_floor: float,
    rms_decay: float,
    momentum: float,
    epsilon: float,
) -> optax.GradientTransformation:
    """Clip, divide by the root mean square, then average, then step. (Ziyin et al., 2020)

    Momentum averages gradients that are already normalized, so that one unlucky gradient cannot
    dominate it. The learning rate rises linearly from 0, over `warmup` updates.
    """
    schedule = optax.linear_schedule(0.0, learning_rate, warmup)
    return optax.chain(
        clip_per_tensor(clip=clip, floor=clip_floor),
        optax.scale_by_rms(rms_decay, epsilon, eps_in_sqrt=False, bias_correction=True),
        optax.ema(momentum, debias=True),
        optax.scale_by_learning_rate(schedule),
    )


def clip_per_tensor(*, clip: float, floor: float) -> optax.GradientTransformation:
    """g ← g / max(1, ‖g‖ / (clip max(floor, ‖p‖))), with norms over whole tensors. (AGC)"""

    def clip_one(gradient: jax.Array, parameter: jax.Array) -> jax.Array:
        chex.assert_equal_shape([gradient, parameter])
        limit = clip * jnp.maximum(floor, jnp.linalg.norm(parameter.ravel()))
        return gradient / jnp.maximum(1.0, jnp.linalg.norm(gradient.ravel()) / limit)

    return optax.stateless(lambda gradients, params: jax.tree.map(clip_one, gradients, params))
