"""Errors of predictions next to those of two guesses that need no model."""

from collections.abc import Mapping
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

from dreamer_jax.nn.forms import step_by_step
from dreamer_jax.spaces import Spaces
from dreamer_jax.types import Obs
from dreamer_jax.world_model.categoricals import Symbols
from dreamer_jax.world_model.decoders import UNWEIGHTED, Prediction


class Errors(NamedTuple):
    """Squared errors of three predictions of one observation key."""

    model: jax.Array  # [T, B] float32
    mean: jax.Array  # [T, B] float32, of the mean over the batch, weighted as the errors are
    copy: jax.Array  # [T, B] float32, of the observation that was seen last


def relative_errors(
    outputs: dict[str, Prediction],
    obs: Obs,
    *,
    last: int,
    spaces: Spaces,
    weights: Mapping[str, jax.Array] = UNWEIGHTED,
) -> dict[str, Errors]:
    """Squared errors of each prediction, of the batch mean, and of step `last` repeated.

    Numbers: Σ w (x - x̂)², pixels divided by 255. Classes: the same for one-hots x and probabilities
    x̂ (Brier, 1950), which is 1 - 2 p(x) + Σ p².

    Args:
      outputs: predictions [T, B, ...] from `Decoder`.
      obs: [T, B, ...] for each key, vectors scaled as for the encoder.
      last: the step that the model has seen last.
      spaces: the kind of each key.
      weights: w of images by their keys, [T, B, h, w, 1], as in the loss; 1 for all others.

    Returns: errors of each key, under the name `<kind>/<key>`, such as `image/screen`.
    """
    numbers = {key: x for key, x in outputs.items() if isinstance(x, jax.Array)}
    symbols = {key: x for key, x in outputs.items() if isinstance(x, Symbols)}
    found: dict[str, Errors] = {}
    for key in spaces.images:
        truth = obs[key].astype(jnp.float32) / 255
        weight = weights.get(key)
        found[f"image/{key}"] = _of_numbers(numbers[key], truth, last=last, weight=weight)
    for key in spaces.vectors:
        found[f"vector/{key}"] = _of_numbers(numbers[key], obs[key], last=last)
    for key in spaces.bits:
        truth = obs[key].astype(jnp.float32)
        found[f"bits/{key}"] = _of_numbers(jax.nn.sigmoid(numbers[key]), truth, last=last)
    for key, classes in spaces.choices.items():
        ends = [sum(classes[: i + 1]) for i in range(len(classes) - 1)]
        each = [
            _of_classes(brier(part, obs[key][..., i]), obs[key][..., i], classes=n, last=last)
            for i, (part, n) in enumerate(
                zip(jnp.split(numbers[key], ends, axis=-1), classes, strict=True)
            )
        ]
        found[f"choice/{key}"] = jax.tree.map(lambda *x: sum(x, jnp.float32(0)), *each)
    known = dict.fromkeys(spaces.texts, "text") | dict.fromkeys(spaces.symbols, "symbols")
    for key, kind in known.items():
        error = _of_symbols(symbols[key], obs[key])
        classes = symbols[key].kernel.shape[-1]
        found[f"{kind}/{key}"] = _of_classes(error, obs[key], classes=classes, last=last)
    return found


def brier(logits: jax.Array, index: jax.Array) -> jax.Array:
    """1 - 2 p(x) + Σ p²: logits [*, K], integers [*] -> [*] float32."""
    chex.assert_shape(index, logits.shape[:-1])
    probs = jax.nn.softmax(logits.astype(jnp.float32), axis=-1)
    picked = jnp.sum(jax.nn.one_hot(index, logits.shape[-1]) * probs, axis=-1)
    return 1 - 2 * picked + jnp.square(probs).sum(-1)


def _of_numbers(
    guess: jax.Array, truth: jax.Array, *, last: int, weight: jax.Array | None = None
) -> Errors:
    chex.assert_equal_shape([guess, truth])
    if weight is None:
        weight = jnp.ones((*truth.shape[:2], *(1,) * (truth.ndim - 2)))
    chex.assert_equal_rank([weight, truth])
    mean = (weight * truth).sum((0, 1)) / weight.sum((0, 1))  # of all constants the best one

    def error(other: jax.Array) -> jax.Array:
        return (weight * jnp.square(truth - other)).sum(tuple(range(2, truth.ndim)))

    return Errors(model=error(guess), mean=error(mean), copy=error(truth[last]))


def _of_classes(error: jax.Array, truth: jax.Array, *, classes: int, last: int) -> Errors:
    """The errors for classes [T, B, ...], where that of the model is known, [T, B] or [T, B, ...].

    Summed over all places.
    """
    one_hot = jax.nn.one_hot(truth, classes, dtype=jnp.float32)
    share = one_hot.mean((0, 1))
    mean = 1 - 2 * jnp.sum(one_hot * share, axis=-1) + jnp.square(share).sum(-1)
    copy = 2.0 * (truth != truth[last])
    summed = [x.sum(tuple(range(2, x.ndim))) for x in (error, mean, copy)]
    return Errors(*summed)


def _of_symbols(symbols: Symbols, truth: jax.Array) -> jax.Array:
    """`brier` summed over the places of a text or a grid: [T, B]; one step at a time on a CPU."""
    places = symbols.features.shape[-2]
    truth = truth.reshape(*truth.shape[:2], places, *symbols.kernel.shape[1:-1])
    axes = tuple(range(2 - truth.ndim, 0))

    def error(features: jax.Array, index: jax.Array) -> jax.Array:
        return brier(symbols.replace(features=features).logits, index).sum(axes)

    return step_by_step(error, symbols.features, truth, batch_axes=2)
