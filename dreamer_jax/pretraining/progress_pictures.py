"""Pictures of the progress along runs, drawn on the device: [h, w, 3] uint8."""

from typing import Any

import chex
import jax
import jax.numpy as jnp

from dreamer_jax.media.panels import DREAM, EDGE, FAINT, GROUND, SURFACE, TRUTH, Color
from dreamer_jax.pretraining.token_pictures import in_color
from dreamer_jax.types import Obs
from dreamer_jax.world_model.video_reward import VideoReward

RUNS = 4  # at most, in the picture of the curves
THUMBNAILS = 9  # above each curve
SIDE = 72  # height of a thumbnail, pixels
FRAME = 144  # height of a frame of the film, pixels
HEIGHT = 84  # of a curve, pixels
BAR = 8  # height of a bar below the film, pixels
GAP = 6  # pixels between parts
PAD = 4  # pixels above and below the highest and the lowest point of a curve


def pictures(model: VideoReward, params: dict[str, Any], images: jax.Array, time: jax.Array) -> Obs:
    """The progress of some runs as curves below their frames, and a film of the first run.

    Progress is the sum of the differences since the first frame: what an agent would have got.
    Each member of the ensemble has a faint line, their mean a bright one. The straight line is
    progress at a constant pace. Below the film, the upper bar is progress, the lower one time.

    Args:
      model: the learned reward.
      params: "reward", and for variants with tokens "tokenizer".
      images: [T, B, h, w, c] uint8.
      time: [T, B] int32, when each was recorded.

    Returns:
      "progress" [h, w, 3] and "progress_film" [T, h, w, 3], uint8.
    """
    images, time = images[:, :RUNS], time[:, :RUNS]
    frames = model.embed(params, images)
    steps = model.compare(params, frames[:, :-1], frames[:, 1:])
    progress = jnp.concatenate([jnp.zeros_like(steps[:, :1]), jnp.cumsum(steps, axis=1)], axis=1)
    shown = in_color(images)
    rows = [
        curve_below_frames(shown[:, run], time[:, run], progress[:, :, run])
        for run in range(time.shape[1])
    ]
    between = ground(GAP, width=rows[0].shape[1])
    return {
        "progress": jnp.concatenate([x for row in rows for x in (row, between)][:-1]),
        "progress_film": film(shown[:, 0], time[:, 0], progress[:, :, 0].mean(0)),
    }


def curve_below_frames(images: jax.Array, time: jax.Array, progress: jax.Array) -> jax.Array:
    """One run: images [T, h, w, 3] uint8, time [T] and progress [M, T] -> [h, w, 3] uint8."""
    small = resized(images, height=SIDE)
    width = THUMBNAILS * small.shape[2]
    share = (time - time[0]) / jnp.maximum(time[-1] - time[0], 1)
    middle = (jnp.arange(THUMBNAILS) + 0.5) / THUMBNAILS
    nearest = jnp.argmin(jnp.abs(share[:, None] - middle), axis=0)
    frames = jnp.concatenate(list(small[nearest]), axis=1)
    low, high = progress.min(), progress.max()
    scaled = (progress - low) / jnp.maximum(high - low, 1e-8)
    x = (jnp.arange(width) + 0.5) / width
    at = jax.vmap(lambda y: jnp.interp(x, share, y))
    ends = scaled.mean(0)[jnp.array([0, -1])]
    straight = ends[0] + x * (ends[1] - ends[0])
    plot = ground(HEIGHT, width=width, color=SURFACE)
    lines = [(straight, EDGE), *((y, FAINT) for y in at(scaled)), (at(scaled).mean(0), DREAM)]
    for y, color in lines:
        plot = draw(plot, y, color=color, thick=1.2 if color is DREAM else 0.5)
    return jnp.concatenate([frames, plot])


def film(images: jax.Array, time: jax.Array, progress: jax.Array) -> jax.Array:
    """Frames [T, h, w, 3] uint8 with bars of progress [T] and time [T] -> [T, h', w, 3] uint8."""
    large = resized(images, height=FRAME)
    bars = [
        jax.vmap(lambda x, color=color: bar(x, width=large.shape[2], color=color))(share(values))
        for values, color in ((progress, DREAM), (time.astype(jnp.float32), TRUTH))
    ]
    return jnp.concatenate([large, *bars], axis=1)


def share(values: jax.Array) -> jax.Array:
    """Where each number is between the lowest and the highest one: [T] -> [T] in [0, 1]."""
    return (values - values.min()) / jnp.maximum(values.max() - values.min(), 1e-8)


def bar(filled: jax.Array, *, width: int, color: Color) -> jax.Array:
    """A bar that is filled to a share [] in [0, 1]: [BAR, width, 3] uint8."""
    full = (jnp.arange(width) + 0.5) / width <= filled
    row = jnp.where(full[:, None], jnp.array(color), jnp.array(SURFACE)).astype(jnp.uint8)
    edge = ground(1, width=width)
    return jnp.concatenate([edge, jnp.broadcast_to(row, (BAR - 2, width, 3)), edge])


def draw(plot: jax.Array, y: jax.Array, *, color: Color, thick: float) -> jax.Array:
    """A line over the whole width of a plot [h, w, 3]: y [w] in [0, 1], upwards."""
    chex.assert_shape(y, plot.shape[1:2])
    row = PAD + (1 - y) * (len(plot) - 2 * PAD - 1)
    following = jnp.append(row[1:], row[-1])
    top, bottom = jnp.minimum(row, following) - thick, jnp.maximum(row, following) + thick
    rows = jnp.arange(len(plot))[:, None]
    on = (rows >= top) & (rows <= bottom)
    return jnp.where(on[..., None], jnp.array(color, jnp.uint8), plot)


def ground(height: int, *, width: int, color: Color = GROUND) -> jax.Array:
    """A picture of one color: [height, width, 3] uint8."""
    return jnp.broadcast_to(jnp.array(color, jnp.uint8), (height, width, 3))


def resized(images: jax.Array, *, height: int) -> jax.Array:
    """Images of this height and their own proportions: [T, h, w, 3] -> [T, height, w', 3] uint8.

    The width is even, as films need it.
    """
    frames, rows, columns, colors = images.shape
    width = max(2, 2 * round(height * columns / rows / 2))
    method = "linear" if rows > height else "nearest"
    found = jax.image.resize(
        images.astype(jnp.float32), (frames, height, width, colors), method, antialias=True
    )
    return jnp.clip(jnp.round(found), 0, 255).astype(jnp.uint8)
