"""What a data set needs to know of a recording."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import gymnasium
import numpy as np

# Name -> array [n, ...]: 'obs/<key>', 'action/<key>', 'reward', 'is_first', 'is_last',
# 'is_terminal' and each 'event/<name>'.
Arrays = dict[str, np.ndarray]


class Column(Protocol):
    """The type of an array [n, ...] of n steps."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of its numbers."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one step."""
        ...


class SourceRun(NamedTuple):
    """One play from its beginning to its end, or one video."""

    name: str  # the same whenever this play or this video is recorded
    steps: int


class Source(Protocol):
    """A recording: runs, one after the other, as arrays."""

    @property
    def name(self) -> str:
        """For messages."""
        ...

    @property
    def digest(self) -> str:
        """A checksum of all that it holds, in hexadecimal."""
        ...

    @property
    def columns(self) -> Mapping[str, Column]:
        """The type of every array."""
        ...

    @property
    def runs(self) -> tuple[SourceRun, ...]:
        """In the order of `pieces`."""
        ...

    @property
    def obs_space(self) -> Mapping[str, gymnasium.Space[Any]]:
        """The space of each observation; see `dreamer_jax.spaces`."""
        ...

    @property
    def act_space(self) -> Mapping[str, gymnasium.Space[Any]]:
        """The space of each action; empty where no actions were recorded."""
        ...

    def pieces(self) -> Iterator[Arrays]:
        """All steps of all runs in order, verified, in pieces that fit into memory.

        Raises ValueError in one line for content that is damaged.
        """
        ...
