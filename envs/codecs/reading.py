"""How each space is read: as the kind that was asked for, or as the one that it tells itself."""

import numpy as np

from envs import kinds
from envs.codecs.axes import Grid, likely
from envs.codecs.choices import bits, choice, symbols_in_a_row, vector
from envs.codecs.encoder import Form, Unreadable
from envs.codecs.images import CHANNELS, LARGE_SIDE, image, pixels
from envs.codecs.leaves import short
from envs.codecs.symbols import are_few, board, symbols
from envs.codecs.texts import is_text, text
from envs.codecs.whole_numbers import ranges
from envs.kinds import AnySpace, is_box

KINDS = ("image", "vector", "choice", "bits", "text", "symbols")
MAX_VECTOR = 4096  # numbers of a box of rank 3 or more that is seen as a vector
MAX_ONE_HOT = 4096  # classes of a box, all entries together, that is seen as choices


def read(space: AnySpace, *, kind: str, size: int) -> Form:
    """The form of a leaf.

    Args:
        space: of the leaf, as Gymnasium knows it.
        kind: one of KINDS; '' to decide by the space.
        size: side in pixels of images that are resized.

    Raises:
        Unreadable: there is none; in one line.
    """
    if 0 in (space.shape or ()):
        raise Unreadable(f"{short(space)} has no entries")
    if is_box(space) and space.dtype.kind not in "biuf":
        raise Unreadable(f"{short(space)} has no numbers")
    kind = kind or _own_kind(space)
    if kind == "image":
        return image(space, pixels(space) or _any_grid(space), size)
    if kind == "text":
        return text(space) if is_text(space) else symbols_in_a_row(space)
    return {"vector": vector, "choice": choice, "bits": bits, "symbols": symbols}[kind](space)


def _own_kind(space: AnySpace) -> str:
    """The kind that a space names, or that its values and its shape tell."""
    if isinstance(space, kinds.Choice):
        return space.kind
    if is_text(space):
        return "text"
    if is_box(space):
        return _kind_of_box(space)
    if (found := ranges(space)) is None:
        raise Unreadable(f"unsupported space {short(space)}")
    return "bits" if (found.classes == 2).all() else "choice"


def _kind_of_box(space: AnySpace) -> str:
    shape, found = space.shape or (), ranges(space)
    if board(space) is not None:
        return "symbols"
    if pixels(space) is not None:
        return "image"
    few = len(shape) < 2 and found is not None and are_few(space)
    if few and found is not None and found.total <= MAX_ONE_HOT:
        return "bits" if (found.classes == 2).all() else "choice"
    if len(shape) > 2 and int(np.prod(shape)) > MAX_VECTOR:
        text = f"{short(space)} is too large for a vector; images have finite bounds, "
        text += f"sides of at least {LARGE_SIDE} pixels and at most {CHANNELS} channels"
        raise Unreadable(text)
    return "vector"


def _any_grid(space: AnySpace) -> Grid | None:
    shape = space.shape or ()
    return likely(shape) if len(shape) > 1 else None
