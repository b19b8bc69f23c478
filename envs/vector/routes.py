"""Routes to milestones that were reached in play, as data to store, share and replay.

Loading an emulator's state would be faster, but such a state must be trusted: it says where the
emulator reads and writes. A route is only seeds and actions.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from envs.codecs import no_actions
from envs.kinds import AnySpace

# Yields acting rows [E] bool and the actions [E, k] per key of all rows, step after step.
Steps = Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]
NUMBERS = ("depth", "origin", "seed", "length")  # arrays [R] int64 of R packed routes


@dataclasses.dataclass(frozen=True, eq=False)
class Route:
    """From the start of the game to a milestone, through one or more episodes.

    Each episode continues from a milestone of an earlier one. These fields describe the last
    episode; `origin` describes the earlier ones.
    """

    name: str  # of the milestone
    depth: int  # milestones reached on the whole route, at least 1
    origin: "Route | None"  # where the episode began; None: at the start of the game
    seed: int  # of the episode
    actions: Mapping[str, np.ndarray]  # [n, k] per action key, of the episode

    @property
    def length(self) -> int:
        """Actions of the last episode."""
        return len(next(iter(self.actions.values())))


def with_origins(routes: Iterable[Route | None]) -> list[Route]:
    """All these routes and their origins, each once and after its own origin."""
    found: dict[Route, None] = {}
    for route in routes:
        chain: list[Route] = []
        while route is not None and route not in found:
            chain.append(route)
            route = route.origin
        found |= dict.fromkeys(reversed(chain))
    return list(found)


def schedule(
    routes: Sequence[Route], rows: int
) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """The actions of routes replayed in parallel, route i in row i, from the first step.

    Yields acting rows [E] bool, and actions [E, k] per key (others 0).
    """
    for step in range(max(route.length for route in routes)):
        acting = np.zeros(rows, bool)
        action = {
            key: np.zeros((rows, *x.shape[1:]), x.dtype) for key, x in routes[0].actions.items()
        }
        for i, route in enumerate(routes):
            acting[i] = step < route.length
            if acting[i]:
                for key, taken in route.actions.items():
                    action[key][i] = taken[step]
        yield acting, action


def packed(routes: Sequence[Route], act_space: Mapping[str, AnySpace]) -> dict[str, np.ndarray]:
    """R routes, in the order of `with_origins`, as arrays.

    Keys: 'name' [R] str; 'depth', 'seed' and 'length' [R] int64; 'origin' [R] int64, the index of
    an earlier route or -1; 'actions/<key>' [sum of length, k], route after route.
    """
    number: dict[Route | None, int] = {None: -1} | {route: i for i, route in enumerate(routes)}
    columns = [(route.depth, number[route.origin], route.seed, route.length) for route in routes]
    numbers = np.array(columns, np.int64).reshape(-1, len(NUMBERS))
    found: dict[str, np.ndarray] = {name: numbers[:, i] for i, name in enumerate(NUMBERS)}
    found["name"] = np.array([route.name for route in routes], np.str_)
    for key, space in act_space.items():
        taken = [route.actions[key] for route in routes]
        found[f"actions/{key}"] = np.concatenate(taken) if taken else no_actions(space, 0)
    return found


def unpacked(arrays: Mapping[str, np.ndarray], act_space: Mapping[str, AnySpace]) -> list[Route]:
    """The inverse of `packed`. Raises ValueError for arrays it cannot have made."""
    count = len(arrays["name"]) if "name" in arrays and np.ndim(arrays["name"]) == 1 else 0
    shapes = {key: np.shape(value) for key, value in arrays.items()}
    total = int(np.sum(arrays.get("length", 0)))
    expected: dict[str, tuple[int, ...]] = dict.fromkeys((*NUMBERS, "name"), (count,))
    expected |= {f"actions/{key}": (total, *(x.shape or ())) for key, x in act_space.items()}
    if shapes != expected or arrays["name"].dtype.kind != "U":
        raise ValueError(f"expected routes of shapes {expected}, got {shapes}")
    _require_numbers(arrays)
    ends, routes = np.cumsum(arrays["length"]), list[Route]()
    for i in range(count):
        depth, origin, seed, length = (int(arrays[name][i]) for name in NUMBERS)
        span = slice(int(ends[i]) - length, int(ends[i]))
        actions = {key: np.array(arrays[f"actions/{key}"][span]) for key in act_space}
        before = routes[origin] if origin >= 0 else None
        routes.append(Route(str(arrays["name"][i]), depth, before, seed, actions))
    return routes


def _require_numbers(arrays: Mapping[str, np.ndarray]) -> None:
    depth, origin, seed, length = (_whole(arrays[name]) for name in NUMBERS)
    backwards = (origin >= -1) & (origin < np.arange(len(origin)))
    if not (backwards & (depth > 0) & (seed >= 0) & (length > 0)).all():
        raise ValueError(
            f"impossible routes: depth {depth}, origin {origin}, seed {seed}, length {length}"
        )


def _whole(array: Any) -> np.ndarray:
    if np.asarray(array).dtype.kind not in "iu":
        raise ValueError(f"expected whole numbers, got {np.asarray(array).dtype}")
    return np.asarray(array, np.int64)
