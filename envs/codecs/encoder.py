"""What encodes one leaf of an observation."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from envs.codecs.leaves import Path
from envs.kinds import AnySpace


class Form(NamedTuple):
    """How a leaf is read, wherever it is."""

    name: str  # key if the leaf is the whole observation
    space: AnySpace  # as the agent sees it, one of the `envs.kinds`
    encode: Callable[[list[Any]], np.ndarray]  # E raw values -> [E, ...], always a new array
    words: str  # how it is read, such as '3 numbers'


class Encoder(NamedTuple):
    """Encodes one leaf of the observation as an array."""

    path: Path
    raw: AnySpace  # the space that Gymnasium knows
    form: Form


class Unreadable(ValueError):
    """A space cannot be read, or not as asked; the message says why and not where."""


def counted(number: int, word: str) -> str:
    """Such as '1 bit' and '3 bits'."""
    return f"{number} {word}{'s' * (number != 1)}"
