"""LaProp with adaptive gradient clipping, as an optax chain."""

import jax
import jax.numpy as jnp
import optax

from dreamer_jax.config import Optimizer


def make(config: Optimizer) -> optax.GradientTransformation:
    """Clip, divide by the root mean square, then average, then step. (Ziyin et al., 2020)

    Momentum averages gradients that are already normalised, so that one unlucky gradient cannot
    dominate it. The learning rate rises linearly over `warmup` updates; the very first is 0.
    """
    schedule = optax.linear_schedule(0.0, config.learning_rate, config.warmup)
    return optax.chain(
        clip_per_tensor(config.clip, config.clip_floor),
        optax.scale_by_rms(
            config.rms_decay, config.epsilon, eps_in_sqrt=False, bias_correction=True
        ),
        optax.ema(config.momentum, debias=True),
        optax.scale_by_learning_rate(schedule),
    )


def clip_per_tensor(clip: float, floor: float) -> optax.GradientTransformation:
    """g ← g / max(1, ‖g‖ / (clip max(floor, ‖p‖))), with norms over whole tensors. (AGC)"""

    def one(gradient: jax.Array, parameter: jax.Array) -> jax.Array:
        limit = clip * jnp.maximum(floor, jnp.linalg.norm(parameter.ravel()))
        return gradient / jnp.maximum(1.0, jnp.linalg.norm(gradient.ravel()) / limit)

    return optax.stateless(lambda gradients, params: jax.tree.map(one, gradients, params))
