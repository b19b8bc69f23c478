"""The spaces of a recording as JSON in its index, and the arrays that an episode has by them."""

import json
from collections.abc import Mapping
from math import prod
from typing import Any, NamedTuple, cast

import numpy as np
from gymnasium import spaces

from envs.codecs import no_actions
from envs.kinds import AnySpace, Bits, Choice, Image, Symbols, Text, Vector, is_multi_discrete
from envs.timestep import VectorEnv

FLAGS = ("is_first", "is_last", "is_terminal")
DTYPES = ("uint8", "int32", "float32")
LARGEST = 2**31 - 1  # numbers of one step of an array
LONGEST = 100  # characters of a description in a message
OLD_TEXT = 16  # symbols from which on equal classes are a text, where an index has no kinds

Spaces = dict[str, AnySpace]


class Column(NamedTuple):
    """The type of an array of an episode of T steps."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]  # of one step
    classes: np.ndarray | None = None  # of each number; None: continuous


def describe(env: VectorEnv) -> dict[str, Any]:
    """The spaces and events of an environment as JSON."""
    return described(env.obs_space, env.act_space, env.event_keys)


def described(
    obs: Mapping[str, AnySpace], act: Mapping[str, AnySpace], events: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Spaces and events as JSON; there may be no actions."""

    def values(space: AnySpace, dtype: np.dtype[Any] | None) -> dict[str, Any]:
        found: dict[str, Any] = {"dtype": str(dtype), "shape": list(space.shape or ())}
        return found | ({"classes": space.nvec.tolist()} if is_multi_discrete(space) else {})

    return {
        "obs": {
            key: values(space, space.dtype) | {"kind": getattr(space, "kind", "")}
            for key, space in obs.items()
        },
        "action": {k: values(x, no_actions(x, 0).dtype) for k, x in act.items()},
        "events": list(events),
    }


def require_fits(have: dict[str, Any], env: VectorEnv, *, where: str) -> None:
    """Raises ValueError, naming the difference, unless an environment has these spaces.

    Args:
        have: spaces as in the index of a recording.
        env: an environment.
        where: begins the message, such as "recordings/x was recorded in atari_pong".
    """
    wanted = like_index(describe(env), have)
    for part in sorted(wanted.keys() | have.keys()):
        if have.get(part) != wanted.get(part):
            one, other = have.get(part), wanted.get(part)
            text = f"{where}, where {part} is {_difference(one, other)}"
            raise ValueError(f"{text}; the environment has {_difference(other, one)}")


def like_index(spaces: dict[str, Any], index: dict[str, Any]) -> dict[str, Any]:
    """`spaces`, without kinds if those of an index have none, as in format 1."""
    obs = index.get("obs")
    if not isinstance(obs, dict) or any(
        isinstance(x, dict) and "kind" in x for x in cast(dict[str, Any], obs).values()
    ):
        return spaces
    without = {
        key: {name: x for name, x in values.items() if name != "kind"}
        for key, values in spaces["obs"].items()
    }
    return {**spaces, "obs": without}


def columns(described: dict[str, Any]) -> dict[str, Column]:
    """Name -> type of every array of an episode, by spaces as JSON.

    Raises:
        ValueError: the JSON describes no spaces.
    """
    if not isinstance(described.get("events"), list) or not all(
        isinstance(name, str) for name in described["events"]
    ):
        raise ValueError("its events are no list of names")
    found = {
        f"{part}/{key}": _column(key, values)
        for part in ("obs", "action")
        for key, values in _entries(described, part).items()
    }
    flag, number = Column(np.dtype(bool), ()), Column(np.dtype(np.float32), ())
    return {
        **found,
        **{"reward": number, **dict.fromkeys(FLAGS, flag)},
        **dict.fromkeys(described["events"], number),
    }


def spaces_of(described: dict[str, Any]) -> tuple[Spaces, Spaces]:
    """Spaces of observations, each with its kind, and of actions.

    An index of format 1 does not say of which kind observations are. There a long list of choices
    of equally many classes counts as a text.

    Raises:
        ValueError: the JSON describes no spaces.
    """
    found = columns(described)
    obs = {
        key: _observation(key, found[f"obs/{key}"], values.get("kind"))
        for key, values in _entries(described, "obs").items()
    }
    act: Spaces = {}
    for key in _entries(described, "action"):
        dtype, shape, classes = found[f"action/{key}"]
        if len(shape) != 1 or dtype != ("float32" if classes is None else "int32"):
            raise ValueError(f"the action {key!r} is no list of numbers or choices")
        box = spaces.Box(-1, 1, shape, np.float32)
        act[key] = box if classes is None else spaces.MultiDiscrete(classes)
    return obs, act


def _entries(described: dict[str, Any], part: str) -> dict[str, dict[str, Any]]:
    found = described.get(part)
    if not isinstance(found, dict) or not all(
        isinstance(values, dict) for values in cast(dict[str, Any], found).values()
    ):
        raise ValueError(f"its {part} is no dictionary of spaces")
    return cast(dict[str, dict[str, Any]], found)


def _column(key: str, values: dict[str, Any]) -> Column:
    """The type of an array; ValueError for what is none."""
    dtype, shape, classes = values.get("dtype"), values.get("shape"), values.get("classes")
    counts = isinstance(shape, list) and all(
        type(n) is int and 0 < n <= LARGEST for n in cast(list[Any], shape)
    )
    if dtype not in DTYPES or not counts or prod(cast(list[int], shape)) > LARGEST:
        raise ValueError(f"{key!r} is {_short(values)}, which describes no array")
    size = tuple(cast(list[int], shape))
    if classes is None:
        return Column(np.dtype(dtype), size)
    try:
        most = np.array(classes, np.int64)
    except (ValueError, TypeError, OverflowError):
        most = np.zeros(0, np.int64)
    if most.shape != size or (most < 1).any() or (most > LARGEST).any() or dtype == "float32":
        raise ValueError(f"the classes of {key!r} do not fit its shape")
    return Column(np.dtype(dtype), size, most)


def _observation(key: str, column: Column, kind: Any) -> AnySpace:
    """The space of an observation; ValueError if its type does not fit its kind."""
    dtype, shape, classes = column
    space: AnySpace | None = None
    equal = None if classes is None or np.unique(classes).size != 1 else int(classes.flat[0])
    kind = kind or _likely_kind(column, equal)
    if kind == "image" and len(shape) == 3:
        space = Image(*shape)
    elif kind == "vector" and len(shape) == 1:
        space = Vector(shape[0])
    elif kind == "choice" and classes is not None and len(shape) == 1:
        space = Choice(classes)
    elif kind == "bits" and equal == 2 and len(shape) == 1:
        space = Bits(shape[0])
    elif kind == "text" and equal and len(shape) == 1:
        space = Text(shape[0], equal)
    elif kind == "symbols" and equal and len(shape) == 3:
        space = Symbols(*shape, classes=equal)
    if space is None or space.dtype != dtype:
        raise ValueError(f"the observation {key!r} is no {_short(kind)} of {dtype}{list(shape)}")
    return space


def _likely_kind(column: Column, equal: int | None) -> str:
    if column.classes is None:
        return "image" if len(column.shape) == 3 else "vector"
    if len(column.shape) == 3:
        return "symbols"
    if equal == 2:
        return "bits"
    return "text" if equal and column.shape[0] >= OLD_TEXT else "choice"


def _difference(one: Any, other: Any) -> str:
    """The part of `one` that is not in `other`, shortened to fit a line."""
    if isinstance(one, dict) and isinstance(other, dict):
        both = cast(dict[str, Any], one), cast(dict[str, Any], other)
        one = {key: value for key, value in both[0].items() if both[1].get(key) != value}
    return _short(one)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
