"""Texts: a code for each character, and 0 after the end."""

from typing import Any

import numpy as np
from gymnasium import spaces

from envs.codecs.encoder import Form, Unreadable
from envs.codecs.leaves import short
from envs.kinds import AnySpace, Text

ANY_TEXT = 128  # characters of a text in a space without a length
PRINTABLE = "".join(map(chr, range(ord(" "), ord("~") + 1)))


def is_text(space: AnySpace) -> bool:
    """Whether the elements of a space are strings, whatever its class."""
    return isinstance(space, spaces.Text) or (space.dtype is not None and space.dtype.kind == "U")


def text(space: AnySpace) -> Form:
    """A space of strings as text.

    Any space that is not Gymnasium's own has texts of printable ASCII; what follows after
    ANY_TEXT characters is cut off, and other characters become '?'.

    Raises:
        Unreadable: the space has no strings, or only the empty one.
    """
    if not is_text(space):
        raise Unreadable(f"a text needs a space of strings, not {short(space)}")
    if not isinstance(space, spaces.Text):
        return _form(PRINTABLE, ANY_TEXT, unknown=1 + PRINTABLE.index("?"))
    if space.max_length < 1:
        raise Unreadable(f"{short(space)} has no characters")
    return _form("".join(space.character_list), space.max_length, unknown=0)


def _form(alphabet: str, length: int, unknown: int) -> Form:
    """Codes each character by its position in the alphabet, from 1.

    unknown: the code of all other characters; 0 for a code of their own, which is the last.
    """
    codes = {character: i + 1 for i, character in enumerate(alphabet)}
    agent_space = Text(length, 1 + len(codes) + (unknown == 0))
    other = unknown or 1 + len(codes)

    def encode(raw: list[Any]) -> np.ndarray:
        found = np.zeros((len(raw), length), agent_space.dtype)
        for row, value in zip(found, raw, strict=True):
            cut = value[:length]
            row[: len(cut)] = [codes.get(character, other) for character in cut]
        return found

    return Form("text", agent_space, encode, f"text of {length}")
