"""Actions of the agent to elements of a Gymnasium space."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces

from envs.codecs.choices import MAX_CLASSES
from envs.codecs.encoder import Unreadable
from envs.codecs.leaves import Path, joined, keyed, leaves, nest, pick, short
from envs.codecs.whole_numbers import Ranges, ranges
from envs.kinds import AnySpace, is_box, is_multi_discrete

NO_BOUND = 1e6  # bounds of actions beyond this count as missing


class Decoder(NamedTuple):
    """Decodes an array to one leaf of the action."""

    path: Path
    space: AnySpace  # as the agent sees it
    decode: Callable[[np.ndarray], list[Any]]  # [E, n] -> E raw values
    encode: Callable[[list[Any]], np.ndarray]  # the inverse


class Actions:
    """Decodes the agent's actions into elements of `space`.

    Raises:
        ValueError: spaces have no decoding; the message names all of them and their keys.
    """

    def __init__(self, space: AnySpace):
        decoders, wrong = list[Decoder](), list[str]()
        for path, leaf in leaves(space):
            try:
                decoders.append(_decoder(path, leaf))
            except Unreadable as error:
                wrong.append(f"cannot act on {joined(path, whole='action')!r}: {error}")
        if wrong:
            raise ValueError("; ".join(wrong))
        pairs = [(joined(x.path, whole="action"), x) for x in decoders]
        self._decoders = keyed(pairs, space)
        self.space = space
        self.spaces: dict[str, AnySpace] = {k: x.space for k, x in self._decoders.items()}

    def decode(self, action: dict[str, np.ndarray], count: int) -> list[Any]:
        """[count, n] per key -> one element of the space for each row.

        Raises:
            ValueError: a key is missing or unknown, or an array has another shape.
        """
        shapes = {key: np.shape(value) for key, value in action.items()}
        expected = {key: (count, *(space.shape or ())) for key, space in self.spaces.items()}
        if shapes != expected:
            raise ValueError(f"expected actions of shapes {expected}, got {shapes}")
        rows = {x.path: x.decode(action[key]) for key, x in self._decoders.items()}
        return [
            nest(self.space, {p: values[i] for p, values in rows.items()}) for i in range(count)
        ]

    def encode(self, raw: Sequence[Any]) -> dict[str, np.ndarray]:
        """The inverse of `decode`: elements of the space -> [count, n] per key."""
        return {
            key: decoder.encode([pick(each, decoder.path) for each in raw])
            for key, decoder in self._decoders.items()
        }


def no_actions(space: AnySpace, *shape: int) -> np.ndarray:
    """[*shape, ...] zeros for a space of actions, in the dtype of its actions."""
    dtype = np.int32 if is_multi_discrete(space) else space.dtype
    return np.zeros((*shape, *(space.shape or ())), dtype)


def _decoder(path: Path, space: AnySpace) -> Decoder:
    if 0 in (space.shape or ()):
        raise Unreadable(f"{short(space)} has no entries")
    if is_box(space):
        if space.dtype.kind not in "biuf":
            raise Unreadable(f"{short(space)} has no numbers")
        return _bounded(path, space)
    if (found := ranges(space)) is None:
        raise Unreadable(f"unsupported space {short(space)}")
    if found.total > MAX_CLASSES:
        raise Unreadable(f"{short(space)} has too many actions")
    return _discrete(path, space, found)


def _discrete(path: Path, space: AnySpace, found: Ranges) -> Decoder:
    nvec, start = found.classes.ravel(), found.low.ravel()

    def decode(action: np.ndarray) -> list[Any]:
        # Some emulators crash at an unknown action.
        if ((action < 0) | (action >= nvec)).any():
            key = joined(path, whole="action")
            raise ValueError(f"an action of {key!r} is not below {nvec}: {action}")
        values = action.astype(np.int64) + start
        if isinstance(space, spaces.Discrete):
            return values[:, 0].tolist()
        return list(values.astype(space.dtype).reshape(len(values), *(space.shape or ())))

    def encode(raw: list[Any]) -> np.ndarray:
        return (np.array(raw).reshape(len(raw), -1) - start).astype(np.int32)

    return Decoder(path, spaces.MultiDiscrete(nvec), decode, encode)


def _bounded(path: Path, space: spaces.Box[Any]) -> Decoder:
    """Maps [-1, 1] to [low, high], or to an interval of length 2 if a bound is missing."""
    low, high = (bound.astype(np.float64).ravel() for bound in (space.low, space.high))
    # Some environments write "no bound" as the largest float.
    below, above = low > -NO_BOUND, high < NO_BOUND
    least = np.where(below, low, np.where(above, high - 2, -1.0))
    most = np.where(above, high, np.where(below, low + 2, 1.0))
    middle, reach = (least + most) / 2, (most - least) / 2
    whole = space.dtype.kind in "biu"

    def decode(action: np.ndarray) -> list[Any]:
        values = np.clip(middle + reach * np.clip(action.astype(np.float64), -1, 1), low, high)
        values = np.rint(values) if whole else values
        return list(values.astype(space.dtype).reshape(len(values), *space.shape))

    def encode(raw: list[Any]) -> np.ndarray:
        values = np.array(raw, np.float64).reshape(len(raw), -1) - middle
        return (values / np.where(reach > 0, reach, 1)).astype(np.float32)

    return Decoder(path, spaces.Box(-1, 1, low.shape, np.float32), decode, encode)
