"""Between Gymnasium spaces and the few kinds that the agent knows (see `envs.timestep.VectorEnv`).

A nested Dict or Tuple becomes flat keys such as 'robot/arm' and 'players/0'.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from gymnasium import spaces

from envs import kinds
from envs.kinds import AnySpace
from envs.resize import fits, resize

_T = TypeVar("_T")
Path = tuple[str | int, ...]

# Rank of a box -> where height, width and channels may be, the usual place first. Of rank 4 is a
# stack of frames, whose channels are joined.
AXES = {2: [(0, 1)], 3: [(0, 1, 2), (1, 2, 0)], 4: [(1, 2, 0, 3), (2, 3, 0, 1)]}
CHANNELS = 32  # most channels of an image
CLEAR = 32  # pixels; from this side on a box with few channels is certainly an image
LARGEST = 4096  # numbers in a vector that is no list
ENDLESS = 1e6  # bounds of actions that are farther away are none


class ObservationEncoder(NamedTuple):
    """Turns one leaf of the observation into arrays."""

    path: Path
    name: str  # key of the leaf if it is the whole observation
    space: AnySpace  # as the agent sees it, of one of the `envs.kinds`
    encode: Callable[[list[Any]], np.ndarray]  # E raw values -> [E, ...], always a new array


class ActionDecoder(NamedTuple):
    """Turns arrays into one leaf of the action."""

    path: Path
    space: AnySpace  # as the agent sees it
    decode: Callable[[np.ndarray], list[Any]]  # [E, n] -> E raw values


class Observations:
    """Encodes raw observations of `space`; images that do not fit are resized to `size` pixels.

    Raises ValueError naming the key and the space if there is no encoding for one.
    """

    def __init__(self, space: AnySpace, size: int):
        encoders = [_encoder(path, leaf, size) for path, leaf in _leaves(space)]
        self._encoders = _keyed([(_key(r.path, r.name), r) for r in encoders], space)
        self.spaces: dict[str, AnySpace] = {k: r.space for k, r in self._encoders.items()}

    def encode(self, raw: Sequence[Any]) -> dict[str, np.ndarray]:
        """E raw observations -> [E, ...] per key, freshly owned."""
        return {
            key: encoder.encode([_pick(obs, encoder.path) for obs in raw])
            for key, encoder in self._encoders.items()
        }


class Actions:
    """Decodes the agent's actions into elements of `space`.

    Raises ValueError naming the key and the space if there is no decoding for one.
    """

    def __init__(self, space: AnySpace):
        decoders = [_decoder(path, leaf) for path, leaf in _leaves(space)]
        self._decoders = _keyed([(_key(w.path, "action"), w) for w in decoders], space)
        self._space = space
        self.spaces: dict[str, AnySpace] = {k: w.space for k, w in self._decoders.items()}

    def decode(self, action: dict[str, np.ndarray], count: int) -> list[Any]:
        """[count, n] per key -> one element of the space for each row.

        Raises ValueError if a key is missing or unknown, or an array has another shape.
        """
        shapes = {key: np.shape(value) for key, value in action.items()}
        expected = {key: (count, *(space.shape or ())) for key, space in self.spaces.items()}
        if shapes != expected:
            raise ValueError(f"expected actions of shapes {expected}, got {shapes}")
        rows = {w.path: w.decode(action[key]) for key, w in self._decoders.items()}
        return [
            _nest(self._space, {p: values[i] for p, values in rows.items()}) for i in range(count)
        ]


def no_actions(space: AnySpace, *shape: int) -> np.ndarray:
    """[*shape, ...] zeros for a space of actions, in the dtype that actions have."""
    dtype = np.int32 if isinstance(space, spaces.MultiDiscrete) else space.dtype
    return np.zeros((*shape, *(space.shape or ())), dtype)


def _leaves(space: AnySpace, path: Path = ()) -> Iterator[tuple[Path, AnySpace]]:
    if isinstance(space, spaces.Dict):
        parts = list(space.spaces.items())
    elif isinstance(space, spaces.Tuple):
        parts = list(enumerate(space.spaces))
    else:
        yield path, space
        return
    for name, part in parts:
        yield from _leaves(part, (*path, name))


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
    if isinstance(space, spaces.Dict):
        return {name: _nest(part, values, (*path, name)) for name, part in space.spaces.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(_nest(part, values, (*path, i)) for i, part in enumerate(space.spaces))
    return values[path]


def _encoder(path: Path, space: AnySpace, size: int) -> ObservationEncoder:
    if isinstance(space, spaces.Box) and (axes := _image_axes(space)) is not None:
        return _image(path, space, axes, size)
    if isinstance(space, spaces.Box):
        count = int(np.prod(space.shape))
        if len(space.shape) > 2 and count > LARGEST:
            raise ValueError(
                f"cannot observe {_key(path, 'observation')!r}: {space} is too large for a vector; "
                f"images are uint8, or floats from 0 to 1, with up to {CHANNELS} channels"
            )
        return ObservationEncoder(
            path, "vector", kinds.Vector(count), lambda raw: _flat(raw, np.float32)
        )
    if (discrete := _discrete(space)) is not None:
        start = discrete.start.astype(np.int64)
        agent_space = _choices(space, discrete.nvec)
        return ObservationEncoder(
            path,
            "discrete",
            agent_space,
            lambda raw: (_flat(raw, np.int64) - start).astype(agent_space.dtype),
        )
    if isinstance(space, spaces.Text):
        return _text(path, space)
    raise ValueError(f"cannot observe {_key(path, 'observation')!r}: unsupported space {space}")


def _flat(raw: list[Any], dtype: type) -> np.ndarray:
    return np.array(raw, dtype).reshape(len(raw), -1)


def _text(path: Path, space: spaces.Text) -> ObservationEncoder:
    """Each character as its place in the alphabet, counted from 1; 0 after the end of the text."""
    places = {character: i + 1 for i, character in enumerate(space.character_list)}
    agent_space = kinds.Text(space.max_length, 1 + len(places))

    def encode(raw: list[str]) -> np.ndarray:
        codes = np.zeros((len(raw), space.max_length), agent_space.dtype)
        for row, text in zip(codes, raw, strict=True):
            row[: len(text)] = [places[character] for character in text]
        return codes

    return ObservationEncoder(path, "text", agent_space, encode)


def _choices(space: AnySpace, nvec: np.ndarray) -> kinds.Choice:
    """What the environment says that its space is; otherwise bits where each entry is one."""
    if isinstance(space, kinds.Choice):
        return space
    return kinds.Bits(len(nvec)) if (nvec == 2).all() else kinds.Choice(nvec)


def _discrete(space: AnySpace) -> spaces.MultiDiscrete | None:
    """The space as MultiDiscrete of rank 1 with its start offsets, None if it is not discrete."""
    if isinstance(space, spaces.Discrete):
        return spaces.MultiDiscrete([space.n], start=[space.start])
    if isinstance(space, spaces.MultiDiscrete):
        return spaces.MultiDiscrete(space.nvec.ravel(), start=space.start.ravel())
    if isinstance(space, spaces.MultiBinary):
        return spaces.MultiDiscrete(np.full(int(np.prod(space.shape)), 2))
    return None


def _image_axes(space: spaces.Box) -> tuple[int, ...] | None:
    """Axes of height, width and all that are channels (a stack of frames too); None if no image."""
    rank, fraction = len(space.shape), _is_fraction(space)
    if not (space.dtype == np.uint8 or fraction) or rank not in AXES:
        return None
    for axes in AXES[rank]:
        height, width, *rest = (space.shape[axis] for axis in axes)
        channels, side = math.prod(rest), min(height, width)
        small = side >= 8 and channels in (1, 3, 4) and not fraction
        if small or (side >= CLEAR and channels <= CHANNELS):
            return axes
    return None


def _is_fraction(space: spaces.Box) -> bool:
    """Whether the numbers are floats from 0 to 1, as some environments have their pixels."""
    real = np.issubdtype(space.dtype, np.floating)
    return bool(real and np.all(space.low == 0) and np.all(space.high == 1))


def _image(path: Path, space: spaces.Box, axes: tuple[int, ...], size: int) -> ObservationEncoder:
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
    if isinstance(space, spaces.Box):
        return _bounded(path, space)
    if (discrete := _discrete(space)) is None:
        raise ValueError(f"cannot act on {_key(path, 'action')!r}: unsupported space {space}")
    nvec, start = discrete.nvec, discrete.start.astype(np.int64)

    def decode(action: np.ndarray) -> list[Any]:
        # Some emulators do not survive an action that they lack.
        if ((action < 0) | (action >= nvec)).any():
            raise ValueError(f"an action of {_key(path, 'action')!r} is not below {nvec}: {action}")
        values = action.astype(np.int64) + start
        if isinstance(space, spaces.Discrete):
            return values[:, 0].tolist()
        return list(values.astype(space.dtype).reshape(len(values), *(space.shape or ())))

    return ActionDecoder(path, spaces.MultiDiscrete(nvec), decode)


def _bounded(path: Path, space: spaces.Box) -> ActionDecoder:
    """Maps [-1, 1] to [low, high]; where a bound is missing, to an interval of length 2."""
    low, high = (bound.astype(np.float64).ravel() for bound in (space.low, space.high))
    # Some environments write "no bound" as the largest float.
    below, above = low > -ENDLESS, high < ENDLESS
    least = np.where(below, low, np.where(above, high - 2, -1.0))
    most = np.where(above, high, np.where(below, low + 2, 1.0))
    middle, reach = (least + most) / 2, (most - least) / 2
    whole = np.issubdtype(space.dtype, np.integer)

    def decode(action: np.ndarray) -> list[Any]:
        values = np.clip(middle + reach * np.clip(action.astype(np.float64), -1, 1), low, high)
        values = np.rint(values) if whole else values
        return list(values.astype(space.dtype).reshape(len(values), *space.shape))

    return ActionDecoder(path, spaces.Box(-1, 1, low.shape, np.float32), decode)
