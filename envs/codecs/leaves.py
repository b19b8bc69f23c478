"""A nested Dict or Tuple becomes flat keys, such as 'robot/arm' and 'players/0'."""

from collections.abc import Iterator
from typing import Any, NamedTuple, TypeVar

from envs.kinds import AnySpace, is_dict, is_tuple

_T = TypeVar("_T")
Path = tuple[str | int, ...]

LONGEST = 100  # characters of a space in a message


class Leaf(NamedTuple):
    """One part of an observation."""

    path: Path  # in the nested observation
    key: str  # of the agent
    space: AnySpace  # as the environment declares it


def leaves(space: AnySpace, path: Path = ()) -> Iterator[tuple[Path, AnySpace]]:
    """Path and space of each leaf, in the order of the space."""
    if is_dict(space):
        for name, part in space.spaces.items():
            yield from leaves(part, (*path, name))
    elif is_tuple(space):
        for i, part in enumerate(space.spaces):
            yield from leaves(part, (*path, i))
    else:
        yield path, space


def joined(path: Path, *, whole: str) -> str:
    """The key of a leaf; `whole` if the leaf is the whole space."""
    return "/".join(str(name) for name in path) if path else whole


def keyed(pairs: list[tuple[str, _T]], space: AnySpace) -> dict[str, _T]:
    """Key -> leaf; ValueError if two leaves of `space` share a key, or if there is none."""
    if len(dict(pairs)) != len(pairs) or not pairs:
        raise ValueError(f"a space needs keys that stay unique joined by '/', got {short(space)}")
    return dict(pairs)


def pick(value: Any, path: Path) -> Any:
    """The leaf of a raw element of a space."""
    for name in path:
        value = value[name]
    return value


def nest(space: AnySpace, values: dict[Path, Any], path: Path = ()) -> Any:
    """The inverse of `pick` for all leaves: a raw element of `space`."""
    if is_dict(space):
        return {name: nest(part, values, (*path, name)) for name, part in space.spaces.items()}
    if is_tuple(space):
        return tuple(nest(part, values, (*path, i)) for i, part in enumerate(space.spaces))
    return values[path]


def short(space: AnySpace) -> str:
    """A space in one line of at most about LONGEST characters."""
    text = " ".join(str(space).split())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
