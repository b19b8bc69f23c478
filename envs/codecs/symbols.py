"""Grids of symbols: whole numbers that are names, such as the pieces on a board."""

from typing import Any

import numpy as np

from envs.codecs.axes import Grid, likely
from envs.codecs.encoder import Form, Unreadable
from envs.codecs.leaves import short
from envs.codecs.whole_numbers import ranges
from envs.kinds import AnySpace, Symbols, is_box

FEW = 32  # most values of an entry that are taken for names
MAX_CELLS = 64 * 64  # of a grid that nobody has called one
MAX_LOGITS = FEW * MAX_CELLS  # of such a grid: classes of all symbols together
MAX_CLASSES = 4_096  # of any grid: each has its own weights in every cell


def are_few(space: AnySpace) -> bool:
    """Whether a box holds whole numbers whose bounds leave few values."""
    if not is_box(space) or space.dtype.kind not in "biu":
        return False
    found = ranges(space)
    return found is not None and bool((found.classes <= FEW).all())


def board(space: AnySpace) -> Grid | None:
    """The grid of a box that is surely one of symbols; None if it may be something else."""
    shape = space.shape or ()
    grid = likely(shape) if len(shape) > 1 and are_few(space) else None
    if grid is None or (found := ranges(space)) is None:
        return None
    height, width, layers = grid.shape
    logits = height * width * layers * int(found.classes.max())
    return grid if height * width <= MAX_CELLS and logits <= MAX_LOGITS else None


def symbols(space: AnySpace) -> Form:
    """A grid of symbols of any size. All cells have as many classes as the one with the most.

    Numbers outside of the bounds count as the nearest of them.

    Raises:
        Unreadable: the numbers are not whole or have no bounds, or the space is no grid.
    """
    found, grid = ranges(space), likely(space.shape or ())
    if isinstance(space, Symbols):
        height, width, layers = space.shape
        grid = Grid((height, width, layers), (0, 1, 2))
    if found is None or grid is None:
        text = "symbols are whole numbers with bounds on 1 to 4 axes"
        raise Unreadable(f"{text}, not {short(space)}")
    classes = int(found.classes.max())
    if classes > MAX_CLASSES:
        raise Unreadable(f"{short(space)} has too many classes for symbols")
    agent_space = Symbols(*grid.shape, classes=classes)

    def encode(raw: list[Any]) -> np.ndarray:
        return np.ascontiguousarray(grid.arrange(found.offsets(raw)), agent_space.dtype)

    height, width, layers = grid.shape
    sides = f"{height}x{width}" + f"x{layers}" * (layers > 1)
    return Form("symbols", agent_space, encode, f"{sides} symbols of {classes}")
