"""The kinds of observations: each space says of which it is, so that no network has to guess.

An agent reads the attribute `kind`: 'image', 'vector', 'choice', 'bits' or 'text'. An environment
may have such spaces among its own; `envs.codecs` makes them of all others.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

AnySpace = spaces.Space[Any]  # a Gymnasium space, whatever its elements are


class Image(spaces.Box):
    """A picture: [height, width, channels] uint8."""

    kind = "image"

    def __init__(self, height: int, width: int, channels: int):
        super().__init__(0, 255, (height, width, channels), np.uint8)


class Vector(spaces.Box):
    """Numbers: [length] float32, without bounds, which many environments state wrongly."""

    kind = "vector"

    def __init__(self, length: int):
        super().__init__(-np.inf, np.inf, (length,), np.float32)


class Choice(spaces.MultiDiscrete):
    """Choices: entry i of [n] is one of classes[i]; uint8, or int32 if any has over 256 classes."""

    kind = "choice"

    def __init__(self, classes: np.ndarray | Sequence[int]):
        super().__init__(np.asarray(classes))
        # As an argument it would be the type of the numbers of classes too, and 256 is no byte.
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
