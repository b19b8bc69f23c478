"""The kinds of observations: each space names its kind, so that no network has to guess.

An agent reads the attribute `kind`: 'image', 'vector', 'choice', 'bits', 'text' or 'symbols'. An
environment may use these spaces directly. `envs.codecs` converts all other spaces to them.
"""

from collections.abc import Sequence
from typing import Any, TypeGuard

import numpy as np
from gymnasium import spaces

AnySpace = spaces.Space[Any]  # a Gymnasium space with elements of any type


def is_box(space: AnySpace) -> TypeGuard[spaces.Box[Any]]:
    """Whether a space is a Box."""
    return isinstance(space, spaces.Box)


def is_dict(space: AnySpace) -> TypeGuard[spaces.Dict[Any]]:
    """Whether a space is a Dict."""
    return isinstance(space, spaces.Dict)


def is_tuple(space: AnySpace) -> TypeGuard[spaces.Tuple[Any]]:
    """Whether a space is a Tuple."""
    return isinstance(space, spaces.Tuple)


def is_multi_discrete(space: AnySpace) -> TypeGuard[spaces.MultiDiscrete[Any]]:
    """Whether a space is a MultiDiscrete."""
    return isinstance(space, spaces.MultiDiscrete)


class Image(spaces.Box[Any]):
    """An image: [height, width, channels] uint8."""

    kind = "image"

    def __init__(self, height: int, width: int, channels: int):
        super().__init__(0, 255, (height, width, channels), np.uint8)


class Vector(spaces.Box[Any]):
    """Numbers: [length] float32. No bounds, since many environments state them wrongly."""

    kind = "vector"

    def __init__(self, length: int):
        super().__init__(-np.inf, np.inf, (length,), np.float32)


class Choice(spaces.MultiDiscrete[Any]):
    """Choices: entry i of [n] is one of classes[i]; uint8, or int32 if one has over 256 classes."""

    kind = "choice"

    def __init__(self, classes: np.ndarray | Sequence[int]):
        super().__init__(np.asarray(classes))
        # As an argument it would also set the type of `nvec`, and 256 does not fit into a byte.
        dtype: Any = np.dtype(np.uint8 if self.nvec.max() <= 256 else np.int32)
        self.dtype = dtype


class Bits(Choice):
    """Independent bits: [count] of 0 or 1."""

    kind = "bits"

    def __init__(self, count: int):
        super().__init__([2] * count)


class Text(Choice):
    """A text: [length] symbols, each a number below `alphabet`."""

    kind = "text"

    def __init__(self, length: int, alphabet: int):
        super().__init__([alphabet] * length)


class Symbols(Choice):
    """A grid of symbols: [height, width, layers], each a number below `classes`.

    A symbol is a name: 3 is no closer to 4 than to 7. A cell has one symbol for each layer.
    """

    kind = "symbols"

    def __init__(self, height: int, width: int, layers: int, *, classes: int):
        super().__init__(np.full((height, width, layers), classes))
