"""What an environment shows and what it accepts, as the networks need to know it."""

from collections.abc import Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces as gym

Values = Mapping[str, jax.Array]


@dataclass(frozen=True)
class Spaces:
    """A dictionary of observations or actions, sorted by key and by kind."""

    images: dict[str, tuple[int, int, int]]  # key -> height, width, channels; uint8
    vectors: dict[str, int]  # key -> length; float32
    choices: dict[str, tuple[int, ...]]  # key -> classes of each entry; int32

    @property
    def flat(self) -> tuple[str, ...]:
        """Keys of vectors and choices, in the order in which they are joined."""
        return tuple(sorted({**self.vectors, **self.choices}))


def read(spaces: Mapping[str, gym.Space]) -> Spaces:
    """Sorts Gymnasium spaces by kind; ValueError names the key of a space of no known kind."""
    images, vectors, choices = {}, {}, {}
    for key, space in sorted(spaces.items()):
        if isinstance(space, gym.Box) and space.dtype == np.uint8 and len(space.shape) == 3:
            images[key] = tuple(space.shape)
        elif isinstance(space, gym.Box) and space.dtype == np.float32 and len(space.shape) == 1:
            vectors[key] = space.shape[0]
        elif isinstance(space, gym.MultiDiscrete) and space.nvec.ndim == 1:
            choices[key] = tuple(int(n) for n in space.nvec)
        else:
            raise ValueError(
                f"{key!r} is {space}; expected a uint8 image [h, w, c], a float32 vector or a "
                "MultiDiscrete vector"
            )
    return Spaces(images, vectors, choices)


def one_hot(choices: jax.Array, classes: tuple[int, ...]) -> jax.Array:
    """[..., n] integers, entry i below classes[i] -> [..., Σ classes]."""
    parts = [jax.nn.one_hot(choices[..., i], k) for i, k in enumerate(classes)]
    return jnp.concatenate(parts, axis=-1)


def flatten(values: Values, spaces: Spaces) -> jax.Array:
    """Vectors as they are and choices as one-hots, in the order of `spaces.flat`: [..., A]."""
    parts = [
        values[key] if key in spaces.vectors else one_hot(values[key], spaces.choices[key])
        for key in spaces.flat
    ]
    return jnp.concatenate(parts, axis=-1)


def zeros(spaces: Spaces, *batch: int) -> dict[str, jax.Array]:
    """An all-zero value of every key, [*batch, ...]."""
    images = {k: jnp.zeros((*batch, *s), jnp.uint8) for k, s in spaces.images.items()}
    vectors = {k: jnp.zeros((*batch, n), jnp.float32) for k, n in spaces.vectors.items()}
    choices = {k: jnp.zeros((*batch, len(n)), jnp.int32) for k, n in spaces.choices.items()}
    return {**images, **vectors, **choices}
