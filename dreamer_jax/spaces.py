"""The spaces of observations and actions, as the networks need them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces as gym

Values = Mapping[str, jax.Array]

KINDS = ("image", "vector", "choice", "bits", "text", "symbols")  # of observations


@dataclass(frozen=True, kw_only=True)
class Spaces:
    """A dictionary of observations or actions, sorted by key and by kind."""

    images: dict[str, tuple[int, int, int]] = field(default_factory=dict[str, tuple[int, int, int]])
    """key -> height, width, channels; uint8"""
    vectors: dict[str, int] = field(default_factory=dict[str, int])
    """key -> length; float32"""
    choices: dict[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])
    """key -> classes of each entry; integers"""
    bits: dict[str, int] = field(default_factory=dict[str, int])
    """key -> how many; integers, 0 or 1"""
    texts: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    """key -> length, alphabet; integers"""
    symbols: dict[str, tuple[int, int, int, int]] = field(
        default_factory=dict[str, tuple[int, int, int, int]]
    )
    """key -> height, width, layers, classes; integers"""

    @property
    def keys(self) -> set[str]:
        """Every key."""
        return {*self.images, *self.flat, *self.texts, *self.symbols}

    @property
    def flat(self) -> tuple[str, ...]:
        """Keys of vectors, choices and bits, in the order in which they are joined."""
        return tuple(sorted({**self.vectors, **self.choices, **self.bits}))

    def only(self, keys: Collection[str]) -> "Spaces":
        """The spaces of these keys."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        return Spaces(
            **{name: {k: x for k, x in part.items() if k in keys} for name, part in parts.items()}
        )

    @property
    def width(self) -> int:
        """How many numbers `flatten` gives."""
        return (
            sum(self.vectors.values())
            + sum(sum(classes) for classes in self.choices.values())
            + sum(self.bits.values())
        )

    @property
    def stacks(self) -> dict[int, tuple[str, ...]]:
        """Images by their side: those of one size go through one convolutional stack."""
        sides = sorted({height for height, _, _ in self.images.values()})
        return {side: tuple(k for k, x in self.images.items() if x[0] == side) for side in sides}


def actions(spaces: Mapping[str, gym.Space[Any]]) -> Spaces:
    """Sorts the spaces of actions; ValueError names the key of one that cannot be acted in."""
    vectors, choices = dict[str, int](), dict[str, tuple[int, ...]]()
    for key, space in sorted(spaces.items()):
        if (length := _numbers(space)) is not None:
            vectors[key] = length
        elif classes := _classes(space):
            choices[key] = classes
        else:
            raise ValueError(f"{key!r} is {space}; expected a float32 vector or MultiDiscrete")
    return Spaces(vectors=vectors, choices=choices)


def observations(spaces: Mapping[str, gym.Space[Any]]) -> Spaces:
    """Sorts the spaces of observations by the `kind` that each says it is of.

    ValueError names the key of a space whose kind is not one of `KINDS`, or does not fit it.
    """
    images, vectors = dict[str, tuple[int, int, int]](), dict[str, int]()
    choices, bits = dict[str, tuple[int, ...]](), dict[str, int]()
    texts, symbols = dict[str, tuple[int, int]](), dict[str, tuple[int, int, int, int]]()
    for key, space in sorted(spaces.items()):
        kind, classes = getattr(space, "kind", None), _classes(space)
        if kind == "image" and (shape := _pixels(space)) is not None:
            images[key] = shape
        elif kind == "vector" and (length := _numbers(space)) is not None:
            vectors[key] = length
        elif kind == "choice" and classes:
            choices[key] = classes
        elif kind == "bits" and set(classes) == {2}:
            bits[key] = len(classes)
        elif kind == "text" and len(set(classes)) == 1:
            texts[key] = (len(classes), classes[0])
        elif kind == "symbols" and (grid := _grid(space)) is not None:
            symbols[key] = grid
        else:
            text = f"{key!r} is {space}, whose kind is {kind!r}"
            raise ValueError(f"{text}; expected a space of the kinds {', '.join(KINDS)}")
    return Spaces(
        images=images, vectors=vectors, choices=choices, bits=bits, texts=texts, symbols=symbols
    )


class Interface(NamedTuple):
    """What an agent observes, and what it does."""

    obs: Spaces
    act: Spaces


def of(
    obs_space: Mapping[str, gym.Space[Any]], act_space: Mapping[str, gym.Space[Any]]
) -> Interface:
    """The spaces of an environment, as `observations` and `actions` sort them."""
    return Interface(obs=observations(obs_space), act=actions(act_space))


def one_hot(choices: jax.Array, classes: tuple[int, ...]) -> jax.Array:
    """[..., n] integers, entry i below classes[i] -> [..., Σ classes]."""
    parts = [jax.nn.one_hot(choices[..., i], k) for i, k in enumerate(classes)]
    return jnp.concatenate(parts, axis=-1)


def flatten(values: Values, spaces: Spaces) -> jax.Array:
    """The `numbers` of all keys that have any, as `spaces.flat` orders them."""
    return jnp.concatenate([numbers(values, spaces, key=key) for key in spaces.flat], axis=-1)


def numbers(values: Values, spaces: Spaces, *, key: str) -> jax.Array:
    """A vector as it is, choices as one-hots, bits as 0 or 1: float32 [..., n]."""
    if key in spaces.choices:
        return one_hot(values[key], spaces.choices[key])
    return values[key].astype(jnp.float32)


def zeros(spaces: Spaces, *batch: int) -> dict[str, jax.Array]:
    """An all-zero value of every key, [*batch, ...]."""
    images = {k: jnp.zeros((*batch, *s), jnp.uint8) for k, s in spaces.images.items()}
    vectors = {k: jnp.zeros((*batch, n), jnp.float32) for k, n in spaces.vectors.items()}
    lengths = {k: len(n) for k, n in spaces.choices.items()} | spaces.bits
    lengths |= {k: n for k, (n, _) in spaces.texts.items()}
    shapes = {k: (n,) for k, n in lengths.items()} | {k: x[:3] for k, x in spaces.symbols.items()}
    integers = {k: jnp.zeros((*batch, *shape), jnp.int32) for k, shape in shapes.items()}
    return {**images, **vectors, **integers}


def _pixels(space: gym.Space[Any]) -> tuple[int, int, int] | None:
    """Height, width and channels of a picture."""
    if isinstance(space, gym.Box) and space.dtype == np.uint8 and len(space.shape) == 3:
        return space.shape[0], space.shape[1], space.shape[2]
    return None


def _numbers(space: gym.Space[Any]) -> int | None:
    """Length of a list of numbers."""
    if isinstance(space, gym.Box) and space.dtype == np.float32 and len(space.shape) == 1:
        return space.shape[0]
    return None


def _classes(space: gym.Space[Any]) -> tuple[int, ...]:
    """Classes of each entry of a list of choices; empty where the space is none."""
    if isinstance(space, gym.MultiDiscrete) and space.nvec.ndim == 1:
        return tuple(int(n) for n in space.nvec)
    return ()


def _grid(space: gym.Space[Any]) -> tuple[int, int, int, int] | None:
    """Height, width, layers and classes of a grid of symbols."""
    if not isinstance(space, gym.MultiDiscrete) or space.nvec.ndim != 3:
        return None
    height, width, layers = space.nvec.shape
    classes = set(space.nvec.ravel().tolist())
    return (height, width, layers, classes.pop()) if len(classes) == 1 else None
