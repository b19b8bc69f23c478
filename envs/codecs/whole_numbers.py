"""Spaces whose entries are whole numbers of a known range."""

from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces

from envs.kinds import AnySpace, is_box, is_multi_discrete

LARGEST = 2**31  # bounds beyond it count as missing


class Ranges(NamedTuple):
    """The range of each entry: `low`, `low + 1`, ..., `low + classes - 1`."""

    low: np.ndarray  # [*shape] int64
    classes: np.ndarray  # [*shape] int64, how many

    @property
    def total(self) -> float:
        """Classes of all entries together; int64 might overflow."""
        return float(self.classes.sum(dtype=np.float64))

    def offsets(self, raw: list[Any]) -> np.ndarray:
        """E raw values -> [E, *shape] int64: how far each entry is above `low`.

        Numbers outside of the range count as the nearest of it: a Box may state its bounds wrongly.
        """
        values = np.array(raw)
        if values.dtype.kind == "f":
            values = np.rint(values)
        values = values.astype(np.int64).reshape(len(raw), *self.low.shape)
        return np.clip(values - self.low, 0, self.classes - 1)


def ranges(space: AnySpace) -> Ranges | None:
    """The range of each entry; None for a space of other numbers, or without bounds.

    A Box of floats has one if all of its bounds are whole numbers.
    """
    if isinstance(space, spaces.Discrete):
        return Ranges(np.array(space.start, np.int64), np.array(space.n, np.int64))
    if is_multi_discrete(space):
        return Ranges(space.start.astype(np.int64), space.nvec.astype(np.int64))
    if isinstance(space, spaces.MultiBinary):
        return Ranges(np.zeros(space.shape, np.int64), np.full(space.shape, 2, np.int64))
    if not is_box(space) or space.dtype.kind not in "biuf":
        return None
    low, high = space.low.astype(np.float64), space.high.astype(np.float64)
    if not (np.all(low >= -LARGEST) and np.all(high <= LARGEST) and np.all(low <= high)):
        return None
    if not (np.all(low == np.rint(low)) and np.all(high == np.rint(high))):
        return None
    return Ranges(low.astype(np.int64), (high - low).astype(np.int64) + 1)
