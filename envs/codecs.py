"""Converts Gymnasium spaces to the few kinds that the agent knows (see `envs.kinds`).

A nested Dict or Tuple becomes flat keys such as 'robot/arm' and 'players/0'.
"""

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from gymnasium import spaces

from envs import kinds
from envs.arrivals import Leaf
from envs.kinds import AnySpace
from envs.resize import fits, resize

_T = TypeVar("_T")
Path = tuple[str | int, ...]
BoxSpace = spaces.Box[Any]
DiscreteSpace = spaces.MultiDiscrete[Any]

# Rank of a box -> possible axes of height, width and channels, the usual order first. Rank 4 is a
# stack of frames; their channels are joined.
AXES = {2: [(0, 1)], 3: [(0, 1, 2), (1, 2, 0)], 4: [(1, 2, 0, 3), (2, 3, 0, 1)]}
CHANNELS = 32  # most channels of an image
LARGE_SIDE = 32  # pixels; from this side on, a box with few channels is an image
MAX_VECTOR = 4096  # numbers of a box of rank 3 or more that is seen as a vector
ANY_TEXT = 128  # characters of a text in a space without a length
PRINTABLE = "".join(map(chr, range(ord(" "), ord("~") + 1)))
NO_BOUND = 1e6  # bounds of actions beyond this count as missing


class ObservationEncoder(NamedTuple):
    """Encodes one leaf of the observation as an array."""

    path: Path
    name: str  # key if the leaf is the whole observation
    space: AnySpace  # as the agent sees it, one of the `envs.kinds`
    encode: Callable[[list[Any]], np.ndarray]  # E raw values -> [E, ...], always a new array


class ActionDecoder(NamedTuple):
    """Decodes an array to one leaf of the action."""

    path: Path
    space: AnySpace  # as the agent sees it
    decode: Callable[[np.ndarray], list[Any]]  # [E, n] -> E raw values


class Observations:
    """Encodes raw observations of `space`; resizes images that do not fit to `size` pixels.

    Raises:
        ValueError: a space has no encoding; the message names it and its key.
    """

    def __init__(self, space: AnySpace, size: int):
        found = list(_leaves(space))
        encoders = [_encoder(path, leaf, size) for path, leaf in found]
        self.leaves = [
            Leaf(p, _key(p, e.name), x) for (p, x), e in zip(found, encoders, strict=True)
        ]
        self._encoders = _keyed([(_key(x.path, x.name), x) for x in encoders], space)
        self.spaces: dict[str, AnySpace] = {k: x.space for k, x in self._encoders.items()}

    def encode(self, raw: Sequence[Any]) -> dict[str, np.ndarray]:
        """E raw observations -> new arrays [E, ...] per key."""
        return {
            key: encoder.encode([_pick(obs, encoder.path) for obs in raw])
            for key, encoder in self._encoders.items()
        }


class Actions:
    """Decodes the agent's actions into elements of `space`.

    Raises:
        ValueError: a space has no decoding; the message names it and its key.
    """

    def __init__(self, space: AnySpace):
        decoders = [_decoder(path, leaf) for path, leaf in _leaves(space)]
        self._decoders = _keyed([(_key(x.path, "action"), x) for x in decoders], space)
        self._space = space
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
            _nest(self._space, {p: values[i] for p, values in rows.items()}) for i in range(count)
        ]


def no_actions(space: AnySpace, *shape: int) -> np.ndarray:
    """[*shape, ...] zeros for a space of actions, in the dtype of its actions."""
    dtype = np.int32 if kinds.is_multi_discrete(space) else space.dtype
    return np.zeros((*shape, *(space.shape or ())), dtype)


def _leaves(space: AnySpace, path: Path = ()) -> Iterator[tuple[Path, AnySpace]]:
    if kinds.is_dict(space):
        for name, part in space.spaces.items():
            yield from _leaves(part, (*path, name))
    elif kinds.is_tuple(space):
        for i, part in enumerate(space.spaces):
            yield from _leaves(part, (*path, i))
    else:
        yield path, space


def _key(path: Path, whole: str) -> str:
    return "/".join(str(name) for name in path) if path else whole


def _keyed(pairs: list[tuple[str, _T]], space: AnySpace) -> dict[str, _T]:
    if len(dict(pairs)) != len(pairs) or not pairs:
        raise ValueError(f"a space needs keys that stay unique joined by '/', got {space}")
    return dict(pairs)


def _pick(value: Any, path: Path) -> Any:
    for name in path:
        value = value[name]
    return value


def _nest(space: AnySpace, values: dict[Path, Any], path: Path = ()) -> Any:
    if kinds.is_dict(space):
        return {name: _nest(part, values, (*path, name)) for name, part in space.spaces.items()}
    if kinds.is_tuple(space):
        return tuple(_nest(part, values, (*path, i)) for i, part in enumerate(space.spaces))
    return values[path]


def _encoder(path: Path, space: AnySpace, size: int) -> ObservationEncoder:
    if kinds.is_box(space):
        if (axes := _image_axes(space)) is not None:
            return _image(path, space, axes, size)
        count = int(np.prod(space.shape))
        if len(space.shape) > 2 and count > MAX_VECTOR:
            raise ValueError(
                f"cannot observe {_key(path, 'observation')!r}: {space} is too large for a vector; "
                f"images are uint8, or floats from 0 to 1, with up to {CHANNELS} channels"
            )
        encode = functools.partial(_flat, dtype=np.float32)
        return ObservationEncoder(path, "vector", kinds.Vector(count), encode)
    if (discrete := _discrete(space)) is not None:
        return _discrete_encoder(path, discrete, _choices(space, discrete.nvec))
    if isinstance(space, spaces.Text):
        return _text(path, space)
    if space.dtype is not None and space.dtype.kind == "U":
        return _any_text(path)
    raise ValueError(f"cannot observe {_key(path, 'observation')!r}: unsupported space {space}")


def _discrete_encoder(
    path: Path, space: DiscreteSpace, agent_space: kinds.Choice
) -> ObservationEncoder:
    start = space.start.astype(np.int64)

    def encode(raw: list[Any]) -> np.ndarray:
        return (_flat(raw, np.int64) - start).astype(agent_space.dtype)

    return ObservationEncoder(path, "discrete", agent_space, encode)


def _flat(raw: list[Any], dtype: type[np.generic]) -> np.ndarray:
    return np.array(raw, dtype).reshape(len(raw), -1)


def _text(path: Path, space: spaces.Text) -> ObservationEncoder:
    """Codes each character by its position in the alphabet, from 1; 0 after the end of the text."""
    places = {character: i + 1 for i, character in enumerate(space.character_list)}
    agent_space = kinds.Text(space.max_length, 1 + len(places))

    def encode(raw: list[str]) -> np.ndarray:
        codes = np.zeros((len(raw), space.max_length), agent_space.dtype)
        for row, text in zip(codes, raw, strict=True):
            row[: len(text)] = [places[character] for character in text]
        return codes

    return ObservationEncoder(path, "text", agent_space, encode)


def _any_text(path: Path) -> ObservationEncoder:
    """The first `ANY_TEXT` characters of texts in a space that states neither length nor alphabet.

    Such are the missions of MiniGrid. A character that is not of ASCII becomes a question mark.
    """
    text = _text(path, spaces.Text(ANY_TEXT, charset=PRINTABLE))

    def encode(raw: list[str]) -> np.ndarray:
        cut = (x[:ANY_TEXT] for x in raw)
        return text.encode(["".join(c if c in PRINTABLE else "?" for c in x) for x in cut])

    return text._replace(encode=encode)


def _choices(space: AnySpace, nvec: np.ndarray) -> kinds.Choice:
    """The space itself if it has a kind; otherwise bits if every entry has two classes."""
    if isinstance(space, kinds.Choice):
        return space
    return kinds.Bits(len(nvec)) if (nvec == 2).all() else kinds.Choice(nvec)


def _discrete(space: AnySpace) -> DiscreteSpace | None:
    """The space as MultiDiscrete of rank 1 with start offsets; None if it is not discrete."""
    if isinstance(space, spaces.Discrete):
        return spaces.MultiDiscrete([space.n], start=[space.start])
    if kinds.is_multi_discrete(space):
        return spaces.MultiDiscrete(space.nvec.ravel(), start=space.start.ravel())
    if isinstance(space, spaces.MultiBinary):
        return spaces.MultiDiscrete(np.full(int(np.prod(space.shape)), 2))
    return None


def _image_axes(space: BoxSpace) -> tuple[int, ...] | None:
    """Axes of height, width and channels (also of stacked frames); None if it is no image."""
    rank, fraction = len(space.shape), _is_fraction(space)
    if not (space.dtype == np.uint8 or fraction) or rank not in AXES:
        return None
    for axes in AXES[rank]:
        height, width, *rest = (space.shape[axis] for axis in axes)
        channels, side = math.prod(rest), min(height, width)
        small = side >= 8 and channels in (1, 3, 4) and not fraction
        if small or (side >= LARGE_SIDE and channels <= CHANNELS):
            return axes
    return None


def _is_fraction(space: BoxSpace) -> bool:
    """Whether values are floats from 0 to 1; some environments have such pixels."""
    real = np.issubdtype(space.dtype, np.floating)
    return bool(real and np.all(space.low == 0) and np.all(space.high == 1))


def _image(path: Path, space: BoxSpace, axes: tuple[int, ...], size: int) -> ObservationEncoder:
    height, width, *rest = (space.shape[axis] for axis in axes)
    kept = height == width and fits(height)
    side, channels, whole = height if kept else size, math.prod(rest), not _is_fraction(space)
    order = (0, *(axis + 1 for axis in axes))

    def encode(raw: list[Any]) -> np.ndarray:
        pixels = np.array(raw, np.uint8) if whole else np.rint(255 * np.array(raw, np.float32))
        images = pixels.transpose(order).reshape(len(raw), height, width, channels)
        images = np.ascontiguousarray(images, np.uint8)
        return images if kept else resize(images, side)

    return ObservationEncoder(path, "image", kinds.Image(side, side, channels), encode)


def _decoder(path: Path, space: AnySpace) -> ActionDecoder:
    if kinds.is_box(space):
        return _bounded(path, space)
    if (discrete := _discrete(space)) is None:
        raise ValueError(f"cannot act on {_key(path, 'action')!r}: unsupported space {space}")
    nvec, start = discrete.nvec, discrete.start.astype(np.int64)

    def decode(action: np.ndarray) -> list[Any]:
        # Some emulators crash at an unknown action.
        if ((action < 0) | (action >= nvec)).any():
            raise ValueError(f"an action of {_key(path, 'action')!r} is not below {nvec}: {action}")
        values = action.astype(np.int64) + start
        if isinstance(space, spaces.Discrete):
            return values[:, 0].tolist()
        return list(values.astype(space.dtype).reshape(len(values), *(space.shape or ())))

    return ActionDecoder(path, spaces.MultiDiscrete(nvec), decode)


def _bounded(path: Path, space: BoxSpace) -> ActionDecoder:
    """Maps [-1, 1] to [low, high], or to an interval of length 2 if a bound is missing."""
    low, high = (bound.astype(np.float64).ravel() for bound in (space.low, space.high))
    # Some environments write "no bound" as the largest float.
    below, above = low > -NO_BOUND, high < NO_BOUND
    least = np.where(below, low, np.where(above, high - 2, -1.0))
    most = np.where(above, high, np.where(below, low + 2, 1.0))
    middle, reach = (least + most) / 2, (most - least) / 2
    whole = np.issubdtype(space.dtype, np.integer)

    def decode(action: np.ndarray) -> list[Any]:
        values = np.clip(middle + reach * np.clip(action.astype(np.float64), -1, 1), low, high)
        values = np.rint(values) if whole else values
        return list(values.astype(space.dtype).reshape(len(values), *space.shape))

    return ActionDecoder(path, spaces.Box(-1, 1, low.shape, np.float32), decode)
