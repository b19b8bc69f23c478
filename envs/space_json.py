"""Gymnasium spaces as JSON, so that a run knows its environment without making it.

{"type": "Dict", "spaces": {
  "camera": {"type": "Box", "shape": [96, 96, 3], "dtype": "uint8", "low": 0.0, "high": 255.0},
  "speed": {"type": "Box", "shape": [2], "dtype": "float32", "low": ["-inf", 0.0], "high": "inf"},
  "gear": {"type": "Discrete", "n": 5, "start": -1},
  "words": {"type": "Text", "min": 1, "max": 20, "characters": "abc"}}}
"""

import math
from collections.abc import Callable
from typing import Any, cast

import numpy as np
from gymnasium import spaces

from envs.kinds import AnySpace, is_box, is_dict, is_multi_discrete, is_tuple

# What values of other types raise.
WRONG = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
LARGEST = 10_000  # separate bounds of a space that are written


def to_json(space: AnySpace) -> dict[str, Any] | None:
    """A space as JSON; None for one that this does not know, also as a part."""
    if is_dict(space) or is_tuple(space):
        names = list[Any](space.spaces if is_dict(space) else range(len(space.spaces)))
        parts = {name: to_json(cast(AnySpace, space[name])) for name in names}
        if None in parts.values() or not all(isinstance(name, str | int) for name in parts):
            return None
        if is_dict(space):
            return {"type": "Dict", "spaces": parts}
        return {"type": "Tuple", "spaces": list(parts.values())}
    if is_box(space):
        low, high = _numbers(space.low), _numbers(space.high)
        if low is None or high is None or space.dtype.kind not in "biuf":
            return None
        shape, dtype = list(space.shape), space.dtype.name
        return {"type": "Box", "shape": shape, "dtype": dtype, "low": low, "high": high}
    if isinstance(space, spaces.Discrete):
        return {"type": "Discrete", "n": int(space.n), "start": int(space.start)}
    if is_multi_discrete(space) and space.nvec.size <= LARGEST:
        name = np.dtype(space.dtype).name
        start, nvec = space.start.tolist(), space.nvec.tolist()
        return {"type": "MultiDiscrete", "nvec": nvec, "start": start, "dtype": name}
    if isinstance(space, spaces.MultiBinary):
        count: Any = space.n  # an int, or the lengths of several axes
        return {"type": "MultiBinary", "n": np.asarray(count).tolist()}
    if isinstance(space, spaces.Text):
        characters = "".join(sorted(space.character_set))
        length = {"min": int(space.min_length), "max": int(space.max_length)}
        return {"type": "Text", **length, "characters": characters}
    return None


def from_json(saved: Any) -> AnySpace:
    """The inverse of `to_json`; ValueError in one line for anything else."""
    try:
        return MAKERS[saved["type"]](saved)
    except WRONG as error:
        reason = " ".join(str(error).split())[:60]
    raise ValueError(f"{str(saved)[:60]!r} is no space: {reason}")


def _dict(saved: dict[str, Any]) -> AnySpace:
    return spaces.Dict({name: from_json(part) for name, part in saved["spaces"].items()})


def _tuple(saved: dict[str, Any]) -> AnySpace:
    return spaces.Tuple([from_json(part) for part in saved["spaces"]])


def _box(saved: dict[str, Any]) -> AnySpace:
    shape, dtype = tuple(saved["shape"]), np.dtype(saved["dtype"])
    low, high = (_bounds(saved[name], shape, dtype) for name in ("low", "high"))
    return spaces.Box(low, high, shape, cast(Any, dtype.type))


def _bounds(saved: Any, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    flat = [float(x) for x in saved] if isinstance(saved, list) else float(saved)
    if isinstance(flat, list):
        return np.array(flat).reshape(shape).astype(dtype)
    return np.full(shape, flat).astype(dtype)


def _numbers(bound: np.ndarray) -> Any:
    """One number if all are equal; infinite ones as text, as JSON has no name for them."""
    values = np.unique(bound)
    if len(values) > 1 and bound.size > LARGEST:
        return None
    texts = [x if math.isfinite(x) else str(x) for x in map(float, bound.ravel().tolist())]
    return texts[0] if len(values) == 1 else texts


def _text(saved: dict[str, Any]) -> AnySpace:
    return spaces.Text(saved["max"], min_length=saved["min"], charset=saved["characters"])


def _multi_discrete(saved: dict[str, Any]) -> AnySpace:
    dtype: Any = np.dtype(saved["dtype"]).type
    return spaces.MultiDiscrete(np.array(saved["nvec"]), dtype, start=np.array(saved["start"]))


MAKERS: dict[str, Callable[[dict[str, Any]], AnySpace]] = {
    "Box": _box,
    "Dict": _dict,
    "Discrete": lambda x: spaces.Discrete(x["n"], start=x["start"]),
    "MultiBinary": lambda x: spaces.MultiBinary(x["n"]),
    "MultiDiscrete": _multi_discrete,
    "Text": _text,
    "Tuple": _tuple,
}
