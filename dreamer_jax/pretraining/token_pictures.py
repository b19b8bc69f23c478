"""Pictures of a tokenizer: images, their reconstructions, and their tokens in colors."""

import colorsys
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np

CLIPS = 4  # in a picture, each with its first and its last frame
SHOWN = 2  # clips in a film
TURN = 0.618034  # of the color wheel from one code to the next: neighbors differ


def sheet(images: jax.Array, decoded: jax.Array, tokens: jax.Array) -> jax.Array:
    """First and last frame of some clips: true above reconstructed above tokens, [h', w', 3] uint8.

    Args:
      images: [T, B, h, w, c] uint8.
      decoded: [T, B, h, w, c] uint8, reconstructed.
      tokens: [T, B, rows, columns] integers.
    """
    rows = [x[jnp.array([0, -1]), :CLIPS] for x in _rows(images, decoded, tokens)]
    return jnp.concatenate(
        [jnp.concatenate([*x.swapaxes(0, 1).reshape(-1, *x.shape[2:])], 1) for x in rows]
    )


def film(images: jax.Array, decoded: jax.Array, tokens: jax.Array) -> jax.Array:
    """Some clips, one below the other: true, reconstructed and tokens, [T, h', w', 3] uint8.

    The arguments are those of `sheet`.
    """
    columns = [x[:, :SHOWN] for x in _rows(images, decoded, tokens)]
    return jnp.concatenate([jnp.concatenate([*x.swapaxes(0, 1)], 1) for x in columns], 2)


def in_colors(tokens: jax.Array, *, height: int, width: int) -> jax.Array:
    """A color for each token, as large as the image: [*, rows, columns] -> [*, h, w, 3] uint8."""
    rows, columns = tokens.shape[-2:]
    colors = jnp.asarray(palette())[tokens % len(palette())]
    return colors.repeat(height // rows, -3).repeat(width // columns, -2)


@cache
def palette() -> np.ndarray:
    """4096 colors, of which neighbors differ in hue: [4096, 3] uint8."""
    codes = np.arange(4096)
    values = 0.55 + 0.45 * (codes * 0.754878 % 1)
    found = [colorsys.hsv_to_rgb(h, 0.65, v) for h, v in zip(codes * TURN % 1, values, strict=True)]
    return np.round(255 * np.array(found)).astype(np.uint8)


def _rows(images: jax.Array, decoded: jax.Array, tokens: jax.Array) -> list[jax.Array]:
    height, width = images.shape[-3:-1]
    return [in_color(images), in_color(decoded), in_colors(tokens, height=height, width=width)]


def in_color(images: jax.Array) -> jax.Array:
    """The newest of stacked frames: [..., c] -> [..., 3]."""
    return images[..., -3:] if images.shape[-1] % 3 == 0 else images[..., -1:].repeat(3, -1)
