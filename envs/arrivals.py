"""Checks what an environment returns against what it declared, wherever it runs.

What can be read without a loss is read: other numeric types, axes of length 1, rewards of shape
(1,), further keys. Everything else is `Unexpected`, in one line that names key, declaration and
what came instead.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces as gym

from envs import kinds
from envs.codecs.leaves import Leaf, Path
from envs.kinds import AnySpace
from envs.vector.copy_protocol import NotFinite, Outcome, Unexpected
from envs.vector.news import warn

Check = Callable[[Any], Any]  # a value -> the same, or an equal one of the declared form
LARGEST = float(np.finfo(np.float32).max)  # what arrives is kept as float32
SHOWN = 60  # most characters of a value in a message


class Arrivals:
    """Checks observations, each made of `leaves`."""

    def __init__(self, leaves: Sequence[Leaf], spaces: Mapping[str, AnySpace]):
        """`spaces`: of the agent, by key."""
        self._checks = [(leaf.path, leaf.key, _check(leaf)) for leaf in leaves]
        # Numbers that stay numbers: for them it takes a look at many observations at once.
        plain = [
            isinstance(leaf.space, gym.Box)
            and np.issubdtype(leaf.space.dtype, np.floating)
            and isinstance(spaces[leaf.key], kinds.Vector)
            for leaf in leaves
        ]
        self._shapes = [
            x.space.shape if yes else None for x, yes in zip(leaves, plain, strict=True)
        ]

    def observation(self, raw: Any) -> Any:
        """`raw`, or the same in nested dicts where a leaf had to be put into its declared form.

        Raises:
            Unexpected: a leaf is missing or is not an element of its space.
            NotFinite: a number is NaN, infinite, or too large for float32.
        """
        for path, key, check in self._checks:
            value = _pick(raw, path, key)
            if (known := check(value)) is not value:
                raw = _replaced(raw, path, known)
        return raw

    def are_exact(self, raw: Sequence[Any]) -> bool:
        """Whether `observation` would change and refuse nothing in these; the usual case, fast.

        Whether vectors are finite is left to `is_finite`, after they were put together.
        """
        try:
            for (path, key, check), shape in zip(self._checks, self._shapes, strict=True):
                values = [_pick(each, path, key) for each in raw] if path else raw
                if shape is None:
                    exact = all(check(value) is value for value in values)
                else:
                    exact = all(
                        type(x) is np.ndarray and x.shape == shape and x.dtype.kind in "fiub"
                        for x in values
                    )
                if not exact:
                    return False
        except Unexpected:
            return False
        return True


def is_finite(obs: Mapping[str, np.ndarray]) -> bool:
    """Whether all numbers are finite; False also for numbers whose squares are not.

    A product with itself is the fastest way to look at every number, and `vdot` does not warn of
    squares that are too large.
    """
    flat = [value.reshape(-1) for value in obs.values() if value.dtype == np.float32]
    return all(math.isfinite(np.vdot(values, values)) for values in flat)


def outcome(obs: Any, reward: Any, terminated: Any, truncated: Any) -> Outcome:
    """What `gymnasium.Env.step` returned, without its info; the observation is not checked.

    Raises:
        Unexpected: reward or flags are not what they should be.
        NotFinite: the reward is not finite, or too large for float32.
    """
    return Outcome(
        obs,
        _reward(reward),
        terminated if type(terminated) is bool else _flag(terminated, "terminated"),
        truncated if type(truncated) is bool else _flag(truncated, "truncated"),
    )


def number(value: Any, what: str) -> float:
    """A number of any type, or an array of one; Unexpected, naming `what`, for anything else."""
    if isinstance(value, float):
        return float(value)
    array = _array(value, what, "a number")
    if array.size != 1:
        raise Unexpected(f"{what} should be a number, got {_form(array)}")
    return float(array.item())


def _reward(value: Any) -> float:
    reward = number(value, "the reward")
    if not abs(reward) <= LARGEST:
        raise NotFinite(f"the reward should be finite, got {reward}")
    return reward


def _flag(value: Any, name: str) -> bool:
    flag = number(value, f"{name!r}")
    if flag not in (0, 1):
        raise Unexpected(f"{name!r} should be true or false, got {_short(value)}")
    return bool(flag)


def _check(leaf: Leaf) -> Check:
    space = leaf.space
    if kinds.is_box(space):
        return _numbers(leaf, space)
    if isinstance(space, gym.Discrete):
        return _choice(leaf, space)
    if kinds.is_multi_discrete(space):
        return _choices(leaf, space.start, space.start + space.nvec - 1)
    if isinstance(space, gym.MultiBinary):
        return _choices(leaf, np.zeros(space.shape, int), np.ones(space.shape, int))
    return _text(leaf)


def _numbers(leaf: Leaf, space: gym.Box[Any]) -> Check:
    shape, dtype = space.shape, space.dtype
    real = np.issubdtype(dtype, np.floating)

    def check(value: Any) -> Any:
        exact = type(value) is np.ndarray and value.dtype == dtype and value.shape == shape
        if exact and not real:
            return value
        array = value
        if not exact:
            array = _shaped(_array(value, repr(leaf.key), space), shape, leaf)
        wrong = ~(np.abs(array, dtype=np.float64) <= LARGEST) if array.dtype.kind == "f" else None
        if wrong is not None and wrong.any():
            found = array[wrong].flat[0]
            raise NotFinite(f"{leaf.key!r} should be finite, got {found} in {wrong.sum()} places")
        return _cast(array, dtype, leaf)

    return check


def _choice(leaf: Leaf, space: gym.Discrete) -> Check:
    low, high = int(space.start), int(space.start + space.n - 1)

    def check(value: Any) -> Any:
        if not isinstance(value, int | np.integer):
            array = _array(value, repr(leaf.key), space)
            value = int(_cast(_shaped(array, (), leaf), np.dtype(np.int64), leaf))
        if not low <= value <= high:
            raise Unexpected(f"{leaf.key!r} should be from {low} to {high}, got {value}")
        return value

    return check


def _choices(leaf: Leaf, low: np.ndarray, high: np.ndarray) -> Check:
    def check(value: Any) -> Any:
        if (
            type(value) is not np.ndarray
            or value.shape != low.shape
            or value.dtype.kind not in "iu"
        ):
            array = _shaped(_array(value, repr(leaf.key), leaf.space), low.shape, leaf)
            value = _cast(array, np.dtype(np.int64), leaf)
        if (value < low).any() or (value > high).any():
            wrong = value[(value < low) | (value > high)].flat[0]
            raise Unexpected(f"{leaf.key!r} should be in {_short(leaf.space)}, got {wrong}")
        return value

    return check


def _text(leaf: Leaf) -> Check:
    declared = leaf.space if isinstance(leaf.space, gym.Text) else None
    warned = False

    def check(value: Any) -> str:
        nonlocal warned
        if not isinstance(value, str):
            array = _converted(value)
            if array.dtype.kind != "U" or array.size != 1:
                raise Unexpected(f"{leaf.key!r} should be a text, got {_short(value)}")
            value = str(array.item())
        if declared and not warned and not _fits(value, declared):
            warned = True
            text = f"{leaf.key!r} should be in {_short(leaf.space)}, got {_short(value)}"
            warn(f"{text}: it is cut off, unknown characters become one symbol")
        return value

    return check


def _fits(text: str, space: gym.Text) -> bool:
    return len(text) <= space.max_length and space.character_set.issuperset(text)


def _pick(value: Any, path: Path, key: str) -> Any:
    for name in path:
        try:
            value = value[name]
        except Exception:  # whatever an object raises when it is asked
            there = f"keys {_cut(', '.join(map(str, value)))}" if isinstance(value, dict) else ""
            raise Unexpected(f"{key!r} is missing, got {there or _short(value)}") from None
    return value


def _replaced(value: Any, path: Path, leaf: Any) -> Any:
    """Nested dicts that read like `value`, with another leaf."""
    if not path:
        return leaf
    first, *rest = path
    parts: dict[Any, Any] = dict(value) if hasattr(value, "keys") else dict(enumerate(value))
    return parts | {first: _replaced(parts[first], tuple(rest), leaf)}


def _array(value: Any, what: str, declared: AnySpace | str) -> np.ndarray:
    """`value` as numbers."""
    array = _converted(value)
    if array.dtype.kind not in "biuf":
        wanted = declared if isinstance(declared, str) else _short(declared)
        raise Unexpected(f"{what} should be {wanted}, got {_short(value)}")
    return array


def _converted(value: Any) -> np.ndarray:
    """`value` as an array; an empty one of objects if it cannot be one."""
    try:
        return np.asarray(value)
    except Exception:  # lists of different lengths, and whatever a class does when it is asked
        return np.empty(0, object)


def _shaped(array: np.ndarray, shape: tuple[int, ...], leaf: Leaf) -> np.ndarray:
    """The array in its declared shape, from which it may differ in axes of length 1."""
    if [n for n in array.shape if n != 1] != [n for n in shape if n != 1]:
        raise Unexpected(f"{leaf.key!r} should be {_short(leaf.space)}, got {_form(array)}")
    return array.reshape(shape)


def _cast(array: np.ndarray, dtype: np.dtype[Any], leaf: Leaf) -> np.ndarray:
    """The array in its declared type, which must not lose whole numbers or signs."""
    if array.dtype == dtype or np.issubdtype(dtype, np.floating):
        return array
    with np.errstate(invalid="ignore"):
        cast = array.astype(dtype)
    if (changed := cast != array).any():
        text = f"got {array[changed].flat[0]}, which is no {dtype}"
        raise Unexpected(f"{leaf.key!r} should be {_short(leaf.space)}, {text}")
    return cast


def _form(array: np.ndarray) -> str:
    return f"an array of shape {array.shape}"


def _short(value: object) -> str:
    """A description in one line, for any object."""
    try:
        return _cut(f"{value!r}")
    except Exception:  # its own fault, which must not hide the one to report
        return f"an object of type {type(value).__name__}"


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else f"{line[:SHOWN]}..."
