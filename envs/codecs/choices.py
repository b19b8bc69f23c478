"""Numbers, and whole numbers of which each has few values."""

from typing import Any

import numpy as np

from envs import kinds
from envs.codecs.encoder import Form, Unreadable, counted
from envs.codecs.leaves import short
from envs.codecs.whole_numbers import Ranges, ranges
from envs.kinds import AnySpace, is_box

MAX_CLASSES = 2**20  # of all choices of a space together: each has its own weights


def vector(space: AnySpace) -> Form:
    """Numbers of any shape as one list of numbers; Unreadable if the space has none."""
    if not is_box(space) and ranges(space) is None:
        raise Unreadable(f"numbers need a Box or a discrete space, not {short(space)}")
    size = int(np.prod(space.shape or ()))
    return Form("vector", kinds.Vector(size), _flat, counted(size, "number"))


def _flat(raw: list[Any]) -> np.ndarray:
    with np.errstate(over="ignore"):  # numbers that get infinite are refused later
        return np.array(raw, np.float32).reshape(len(raw), -1)


def choice(space: AnySpace) -> Form:
    """Each entry as one of its classes; Unreadable if it has too many, or no bounds."""
    found = _few(space)
    return _discrete(found, kinds.Choice(found.classes.ravel()), _classes(found))


def bits(space: AnySpace) -> Form:
    """Entries of two classes as independent bits; Unreadable if one has not two classes."""
    found = _few(space)
    if not (found.classes == 2).all():
        raise Unreadable(f"bits have two values each, unlike {short(space)}")
    return _discrete(found, kinds.Bits(found.classes.size), counted(found.classes.size, "bit"))


def symbols_in_a_row(space: AnySpace) -> Form:
    """Whole numbers of any shape as the symbols of a text; Unreadable if their classes differ."""
    found = _whole(space)
    alphabet, *others = set(found.classes.ravel().tolist())
    if others or alphabet > MAX_CLASSES:
        raise Unreadable(f"the symbols of a text have one alphabet, unlike {short(space)}")
    length = found.classes.size
    return _discrete(found, kinds.Text(length, alphabet), f"text of {length}")


def _whole(space: AnySpace) -> Ranges:
    found = ranges(space)
    if found is None:
        raise Unreadable(f"classes need whole numbers with bounds, not {short(space)}")
    return found


def _few(space: AnySpace) -> Ranges:
    found = _whole(space)
    if found.total > MAX_CLASSES:
        raise Unreadable(f"{short(space)} has too many classes; env.kinds can make it a vector")
    return found


def _discrete(found: Ranges, agent_space: kinds.Choice, words: str) -> Form:
    def encode(raw: list[Any]) -> np.ndarray:
        return found.offsets(raw).reshape(len(raw), -1).astype(agent_space.dtype)

    return Form("discrete", agent_space, encode, words)


def _classes(found: Ranges) -> str:
    classes = found.classes.ravel().tolist()
    if len(classes) == 1:
        return f"choice of {classes[0]}"
    if len(set(classes)) == 1:
        return f"{len(classes)} choices of {classes[0]}"
    shown = ", ".join(map(str, classes[:8])) + ", ..." * (len(classes) > 8)
    return f"{len(classes)} choices of {shown}"
