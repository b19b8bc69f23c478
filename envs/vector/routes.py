"""Ways to moments that were reached in play, as data that can be kept, handed on and played again.

The state of an emulator would be shorter to go back to, but whoever loads one must trust it: it
says where the emulator reads and writes. A way is only seeds and actions.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from envs.codecs import no_actions

# Rows that take a step [E] bool, and the actions [E, k] per key of all rows, one after the other.
Steps = Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]
NUMBERS = ("depth", "origin", "seed", "length")  # arrays [W] int64 of W packed ways


@dataclasses.dataclass(frozen=True, eq=False)
class Way:
    """From the beginning of the game to a milestone, through one episode or several.

    Each goes on where another one had reached a milestone: the last of them is described here, the
    others by `origin`.
    """

    name: str  # of the milestone
    depth: int  # milestones reached on the whole way, from 1 on
    origin: "Way | None"  # where the episode began; None: at the beginning of the game
    seed: int  # of the episode
    actions: Mapping[str, np.ndarray]  # [n, k] per action key, those of the episode

    @property
    def length(self) -> int:
        """Actions of the last episode."""
        return len(next(iter(self.actions.values())))


def with_origins(ways: Iterable[Way | None]) -> list[Way]:
    """All these ways and those that they go on from, each once and after its origin."""
    found: dict[Way, None] = {}
    for way in ways:
        chain = []
        while way is not None and way not in found:
            chain.append(way)
            way = way.origin
        found |= dict.fromkeys(reversed(chain))
    return list(found)


def schedule(ways: Sequence[Way], rows: int) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """The actions of ways played side by side, way i in row i, all from the first step on.

    Yields rows that take one [E] bool, and actions [E, k] per key (others 0).
    """
    for step in range(max(way.length for way in ways)):
        acting = np.zeros(rows, bool)
        action = {
            key: np.zeros((rows, *x.shape[1:]), x.dtype) for key, x in ways[0].actions.items()
        }
        for i, way in enumerate(ways):
            acting[i] = step < way.length
            if acting[i]:
                for key, taken in way.actions.items():
                    action[key][i] = taken[step]
        yield acting, action


def packed(ways: Sequence[Way], act_space: Mapping[str, spaces.Space]) -> dict[str, np.ndarray]:
    """W ways, in the order of `with_origins`, as arrays.

    Keys: 'name' [W] str; 'depth', 'seed' and 'length' [W] int64; 'origin' [W] int64, the number of
    a way before or -1; 'actions/<key>' [sum of length, k], those of the first way, then those of
    the second, and so on.
    """
    number: dict[Way | None, int] = {None: -1} | {way: i for i, way in enumerate(ways)}
    columns = [(way.depth, number[way.origin], way.seed, way.length) for way in ways]
    numbers = np.array(columns, np.int64).reshape(-1, len(NUMBERS))
    found: dict[str, np.ndarray] = {name: numbers[:, i] for i, name in enumerate(NUMBERS)}
    found["name"] = np.array([way.name for way in ways], np.str_)
    for key, space in act_space.items():
        taken = [way.actions[key] for way in ways]
        found[f"actions/{key}"] = np.concatenate(taken) if taken else no_actions(space, 0)
    return found


def unpacked(arrays: Mapping[str, np.ndarray], act_space: Mapping[str, spaces.Space]) -> list[Way]:
    """The inverse of `packed`. Raises ValueError for what it cannot have made."""
    count = len(arrays["name"]) if "name" in arrays and np.ndim(arrays["name"]) == 1 else 0
    shapes = {key: np.shape(value) for key, value in arrays.items()}
    total = int(np.sum(arrays.get("length", 0)))
    expected: dict[str, tuple[int, ...]] = dict.fromkeys((*NUMBERS, "name"), (count,))
    expected |= {f"actions/{key}": (total, *(x.shape or ())) for key, x in act_space.items()}
    if shapes != expected or arrays["name"].dtype.kind != "U":
        raise ValueError(f"expected ways with the shapes {expected}, got {shapes}")
    _require_numbers(arrays)
    ends, ways = np.cumsum(arrays["length"]), []
    for i in range(count):
        depth, origin, seed, length = (int(arrays[name][i]) for name in NUMBERS)
        span = slice(int(ends[i]) - length, int(ends[i]))
        actions = {key: np.array(arrays[f"actions/{key}"][span]) for key in act_space}
        before = ways[origin] if origin >= 0 else None
        ways.append(Way(str(arrays["name"][i]), depth, before, seed, actions))
    return ways


def _require_numbers(arrays: Mapping[str, np.ndarray]) -> None:
    depth, origin, seed, length = (_whole(arrays[name]) for name in NUMBERS)
    backwards = (origin >= -1) & (origin < np.arange(len(origin)))
    if not (backwards & (depth > 0) & (seed >= 0) & (length > 0)).all():
        raise ValueError(f"no ways: depth {depth}, origin {origin}, seed {seed}, length {length}")


def _whole(array: Any) -> np.ndarray:
    if np.asarray(array).dtype.kind not in "iu":
        raise ValueError(f"expected whole numbers, got {np.asarray(array).dtype}")
    return np.asarray(array, np.int64)
