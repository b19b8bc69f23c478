"""Optimizers as optax chains: LaProp with adaptive gradient clipping, and AdamW."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

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


def adamw(
    *, learning_rate: float, warmup: int, clip: float, weight_decay: float, rms_decay: float = 0.999
) -> optax.GradientTransformation:
    """Adam with decoupled weight decay (Loshchilov & Hutter, 2019), behind a clip on the norm.

    The norm is that of the whole gradient. The learning rate rises linearly from 0, over `warmup`
    updates.
    """
    schedule = optax.linear_schedule(0.0, learning_rate, warmup)
    return optax.chain(
        optax.clip_by_global_norm(clip),
        optax.adamw(schedule, b2=rms_decay, weight_decay=weight_decay),
    )


def clip_per_tensor(*, clip: float, floor: float) -> optax.GradientTransformation:
    """g ← g / max(1, ‖g‖ / (clip max(floor, ‖p‖))), with norms over whole tensors. (AGC)"""

    def clip_one(gradient: jax.Array, parameter: jax.Array) -> jax.Array:
        chex.assert_equal_shape([gradient, parameter])
        limit = clip * jnp.maximum(floor, jnp.linalg.norm(parameter.ravel()))
        return gradient / jnp.maximum(1.0, jnp.linalg.norm(gradient.ravel()) / limit)

    return optax.stateless(lambda gradients, params: jax.tree.map(clip_one, gradients, params))


def separate(
    optimizer: optax.GradientTransformation, parts: Mapping[str, Sequence[str]]
) -> optax.GradientTransformation:
    """The same optimizer with a state for each part, which counts the updates of that part alone.

    Args:
      optimizer: of each part.
      parts: name of a part -> the keys of its parameters. An update changes the parts that it gets
        gradients for.
    """

    def of(part: str, params: Any) -> dict[str, Any]:
        return {key: params[key] for key in parts[part] if key in params}

    def init(params: Any) -> dict[str, optax.OptState]:
        return {part: optimizer.init(of(part, params)) for part in parts}

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        changes, after = dict[str, Any](), dict(state)
        for part in parts:
            if given := of(part, updates):
                change, after[part] = optimizer.update(given, state[part], of(part, params))
                changes.update(cast(dict[str, Any], change))
        return changes, after

    return optax.GradientTransformation(init, update)
