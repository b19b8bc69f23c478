"""Pictures of copies by their own renderers."""

from typing import Protocol, runtime_checkable

from envs.drawing import Picture
from envs.timestep import VectorEnv
from envs.vector.copy_protocol import CopyFailed
from envs.vector.vector import VectorizedEnv


@runtime_checkable
class Drawing(Protocol):
    """A copy that can show its newest moment, if it was made for that."""

    def draw(self) -> Picture:
        """A picture by the environment's own renderer, or why there is none. Raises CopyFailed."""
        ...


def draw(env: VectorEnv, row: int) -> Picture:
    """The newest moment of copy `row` by its own renderer, or one line why there is no picture.

    Only environments that were made with `draws=True` have one.
    """
    copy = env.copies[row] if isinstance(env, VectorizedEnv) else None
    if not isinstance(copy, Drawing):
        return "it has no renderer"
    try:
        return copy.draw()
    except CopyFailed as error:
        return str(error)
