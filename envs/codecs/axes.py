"""Which axes of a box are height and width of a grid, and which are its channels."""

import math
from typing import NamedTuple

import numpy as np

# Rank of a box -> possible axes of height, width and channels, the usual order first. Rank 4 is a
# stack of frames; their channels are joined.
AXES = {2: [(0, 1)], 3: [(0, 1, 2), (1, 2, 0)], 4: [(1, 2, 0, 3), (2, 3, 0, 1)]}


class Grid(NamedTuple):
    """How the axes of a box are ordered to be [height, width, channels]."""

    shape: tuple[int, int, int]
    axes: tuple[int, ...]  # of height, width and channels; also of stacked frames

    def arrange(self, values: np.ndarray) -> np.ndarray:
        """[E, *] in the order of the box -> [E, height, width, channels]."""
        order = (0, *(axis + 1 for axis in self.axes))
        return values.transpose(order).reshape(len(values), *self.shape)


def grids(shape: tuple[int, ...]) -> list[Grid]:
    """The grids that a box may be, the usual one first; none below rank 2 and above rank 4."""
    found = list[Grid]()
    for axes in AXES.get(len(shape), []):
        height, width, *rest = (shape[axis] for axis in axes)
        found.append(Grid((height, width, math.prod(rest)), axes))
    return found


def likely(shape: tuple[int, ...]) -> Grid | None:
    """The grid that a box of any size is, by its shape alone; None if it has no or too many axes.

    Channels come first where only the last two axes are equally long, or where the first is the
    shortest. Otherwise they come last. A list is a grid of one row.
    """
    if len(shape) == 1:
        return Grid((1, shape[0], 1), (0,))
    found = grids(shape)
    if len(found) < 2:
        return found[0] if found else None
    first, second, third = shape[-3:]
    square, turned = first == second, second == third
    last = square or (not turned and first >= min(second, third))
    return found[0] if last else found[1]
