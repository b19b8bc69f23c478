"""Films of dreams in tokens, drawn on the device: [N, h, w, 3] uint8."""

from typing import Any

import jax
import jax.numpy as jnp

from dreamer_jax.media.panels import DREAM, GAIN, GROUND, TRUTH, Color
from dreamer_jax.pretraining.dynamics_measures import dreamt
from dreamer_jax.pretraining.progress_pictures import ground, resized
from dreamer_jax.pretraining.token_clips import TokenClips
from dreamer_jax.pretraining.token_pictures import in_color
from dreamer_jax.types import Obs
from dreamer_jax.world_model import token_dreams
from dreamer_jax.world_model.token_dynamics import TokenDynamics
from dreamer_jax.world_model.tokenizer import Tokenizer

CLIPS = 2  # at most, in the film
FUTURES = 3  # actions that are repeated, each in a separate dream
HEIGHT = 144  # of a picture, pixels
BORDER = 4  # around a picture, in the color of what it is
SHOWN = (0, 1, 2, 4, 8, 16, 25)  # frames after the last one that was seen, in the still picture

Params = dict[str, Any]


def pictures(
    model: TokenDynamics,
    images: Tokenizer,
    params: Params,
    given: TokenClips,
    key: jax.Array,
    *,
    futures: jax.Array,
) -> Obs:
    """Dreams next to what happened, and what would happen if one action were repeated.

    The model saw the first K frames of each clip. A blue border is around what was seen or is true,
    and an orange one around what was dreamt.

    Args:
      model: the dynamics.
      images: the tokenizer.
      params: "dynamics" and "tokenizer".
      given: clips of more than K frames.
      key: consumed.
      futures: [F, A] encoded actions; with A = 0 there are no such films.

    Returns:
      "dream_film" [T, h, w, 3]: truth, dream and error side by side, a row for each clip;
      "dream" [h', w', 3]: the same of the first clip, a column for each of some moments;
      "futures_film" [T, h'', w'', 3]: one column for each action that is repeated.
    """
    of_dream, of_futures = jax.random.split(key)
    given = jax.tree.map(lambda x: x[:CLIPS], given)
    count = model.size.frames
    dream = dreamt(model, params["dynamics"], given, of_dream)
    tokens = [given.frames.tokens[:, :count], jnp.swapaxes(dream.frames.tokens, 0, 1)]
    seen = images.decode(params["tokenizer"], jnp.concatenate(tokens, axis=1))
    rows = [
        side_by_side(in_color(given.images[i]), in_color(seen[i]), seen=count)
        for i in range(len(seen))
    ]
    found: Obs = {
        "dream_film": jnp.concatenate([jnp.concatenate(row, axis=2) for row in rows], axis=1),
        "dream": still(rows[0], seen=count),
    }
    if futures.shape[-1]:
        found["futures_film"] = _futures(model, images, params, given, of_futures, futures)
    return found


def side_by_side(truth: jax.Array, dream: jax.Array, *, seen: int) -> list[jax.Array]:
    """Truth, dream and their difference with borders, each [T, h', w', 3], from [T, h, w, 3]."""
    apart = jnp.abs(truth.astype(jnp.int32) - dream.astype(jnp.int32))
    error = jnp.minimum(GAIN * apart, 255).astype(jnp.uint8)
    return [
        framed(truth, TRUTH, TRUTH, seen=seen),
        framed(dream, TRUTH, DREAM, seen=seen),
        framed(error, GROUND, GROUND, seen=seen),
    ]


def framed(film: jax.Array, before: Color, after: Color, *, seen: int) -> jax.Array:
    """A film in its size on the page, with a border whose color changes after `seen` frames."""
    large = resized(film, height=HEIGHT)
    frames, height, width, _ = large.shape
    size = (height + 2 * BORDER, width + 2 * BORDER)
    grounds = [ground(size[0], width=size[1], color=color) for color in (before, after)]
    later = (jnp.arange(frames) >= seen)[:, None, None, None]
    whole = jnp.where(later, grounds[1], grounds[0])
    return whole.at[:, BORDER:-BORDER, BORDER:-BORDER].set(large)


def still(films: list[jax.Array], *, seen: int) -> jax.Array:
    """Some moments of films [T, h, w, 3] side by side, the films below each other."""
    last = len(films[0]) - 1
    times = sorted({min(seen - 1 + step, last) for step in SHOWN})
    rows = [jnp.concatenate([film[t] for t in times], axis=1) for film in films]
    return jnp.concatenate(rows)


def _futures(
    model: TokenDynamics,
    images: Tokenizer,
    params: Params,
    given: TokenClips,
    key: jax.Array,
    futures: jax.Array,
) -> jax.Array:
    """The first clip continued under each action, all with the same random numbers."""
    count, steps = model.size.frames, given.reward.shape[1] - model.size.frames
    start = jax.tree.map(lambda x: jnp.repeat(x[:1, :count], len(futures), axis=0), given.frames)
    uniform = jax.random.uniform(key, (steps, 1, model.tokens))
    dream = token_dreams.imagine(
        model,
        params["dynamics"],
        start=start,
        act=token_dreams.repeat,
        action_noise=jnp.repeat(futures[None], steps, axis=0),
        uniform=jnp.repeat(uniform, len(futures), axis=1),
    )
    tokens = jnp.concatenate([start.tokens, jnp.swapaxes(dream.frames.tokens, 0, 1)], axis=1)
    shown = in_color(images.decode(params["tokenizer"], tokens))
    films = [framed(film, TRUTH, DREAM, seen=count) for film in shown]
    return jnp.concatenate(films, axis=2)
