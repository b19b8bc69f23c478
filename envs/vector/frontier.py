"""A curriculum: a share of the episodes begins at milestones that earlier ones reached.

The caller updates the frontier row by row in the order of the steps. So a frontier is a function
of the seed of the run and of the actions.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from envs.kinds import AnySpace
from envs.vector.routes import Route, packed, unpacked, with_origins

CAPACITY = 32  # entries; 32 states of a Game Boy take 5 MB
RATE = 0.1  # weight of the newest episode in `Entry.mastered`
PARTS = ("entries", "mastered", "origins", "reached")  # of a snapshot, in addition to the routes
DRAW = 1  # spawn key: draws here are independent of those that the game makes from its seed


class Startable(Protocol):
    """A game that can begin an episode at a state of an earlier one."""

    def start_from(self, state: Any) -> None:
        """Begins all later episodes at a state (see `Outcome.state`).

        None: at the start of the game.
        """
        ...


class Entry(NamedTuple):
    """A milestone where episodes can begin."""

    route: Route
    mastered: float  # share of the episodes from here that reached another milestone


Entries = tuple[Entry, ...]  # in the order of reaching their milestones first


def weights(entries: Entries) -> np.ndarray:
    """[N] float64, the probability of each entry; the furthest and least mastered has the most.

    w_i = d_i (1 - m_i) / Σ_j d_j (1 - m_j), where d is the number of milestones on the route to the
    entry, its own included, and m is `Entry.mastered`. d grows by only one per milestone, so no
    dead end can take all episodes.
    """
    raw = _importance(entries)
    return raw / raw.sum()


def with_outcome(entries: Entries, name: str, success: bool) -> Entries:
    """Updates `mastered` after an episode from the milestone `name`: m <- m + RATE (s - m).

    `success`, s, says whether the episode reached another milestone. m starts at 0. An entry that
    was dropped is ignored.
    """
    return tuple(
        entry._replace(mastered=entry.mastered + RATE * (success - entry.mastered))
        if entry.route.name == name
        else entry
        for entry in entries
    )


def with_route(entries: Entries, route: Route) -> Entries:
    """Adds a route to a milestone.

    It replaces the route to the same milestone unless that one has passed more milestones;
    `mastered` stays. Beyond CAPACITY, the entry with the least weight is dropped, the oldest of
    equals.
    """
    for i, entry in enumerate(entries):
        if entry.route.name == route.name:
            new = entry._replace(route=route) if route.depth >= entry.route.depth else entry
            return (*entries[:i], new, *entries[i + 1 :])
    entries = (*entries, Entry(route, 0.0))
    if len(entries) <= CAPACITY:
        return entries
    least = int(np.argmin(_importance(entries)))
    return entries[:least] + entries[least + 1 :]


def _importance(entries: Entries) -> np.ndarray:
    return np.array([entry.route.depth * (1 - entry.mastered) for entry in entries])


class FrontierState(NamedTuple):
    """A frontier of E games at one step, without the states."""

    entries: Entries
    origins: list[Route | None]  # where the current episodes began
    reached: np.ndarray  # [E] int64, milestones in the current episodes


class Frontier:
    """Where the episodes of E games begin; grows as they reach milestones."""

    def __init__(self, share: float, games: Sequence[Startable], act_space: Mapping[str, AnySpace]):
        """`share`: fraction of the episodes, 0 to 1, that begin at an entry if there is one."""
        self.entries: Entries = ()
        self.starts = [""] * len(games)  # see `VectorEnv.starts`
        self._share = share
        self._games = games
        self._act_space = act_space
        self._origins: list[Route | None] = [None] * len(games)  # where the current episodes began
        self._reached = np.zeros(len(games), np.int64)  # milestones in the current episodes
        self._states: dict[Route, Any] = {}  # of entries and of current origins

    def clear(self) -> None:
        """Drops everything; all games begin at their start."""
        self.entries, self._states = (), {}
        for row in range(len(self._games)):
            self._set_origin(row, None)

    def draw_start(self, row: int, seed: int) -> None:
        """Draws where the episode of this seed begins, and sets it in the game."""
        random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(DRAW,)))
        route = None
        if random.random() < self._share and self.entries:
            edges = np.cumsum(weights(self.entries))[:-1]
            route = self.entries[int(np.searchsorted(edges, random.random(), "right"))].route
        self._set_origin(row, route)

    def record_step(self, row: int, names: Sequence[str], over: bool) -> None:
        """Records the milestones that a row reached in a step, and whether its episode ended."""
        self._reached[row] += len(names)
        origin = self._origins[row]
        if over and origin is not None:
            self.entries = with_outcome(self.entries, origin.name, bool(self._reached[row]))

    def add(
        self, row: int, *, name: str, state: Any, seed: int, actions: Mapping[str, np.ndarray]
    ) -> None:
        """Adds the current step of a row's episode, at the milestone `name`, as a starting point.

        Args:
            row: index of the game.
            name: the milestone, reached in this step.
            state: for `Startable.start_from`.
            seed: of the episode.
            actions: [n, k] per key, all actions of the episode.
        """
        origin = self._origins[row]
        depth = (origin.depth if origin else 0) + int(self._reached[row])
        route = Route(name, depth, origin, seed, actions)
        self.entries = with_route(self.entries, route)
        self._states[route] = state
        self._drop_unused_states()

    def snapshot(self) -> dict[str, np.ndarray]:
        """The arrays that `load` needs, by the keys of `VectorEnv.snapshot`; no states."""
        routes = with_origins(self._needed())
        number: dict[Route | None, int] = {None: -1} | {route: i for i, route in enumerate(routes)}
        found = {f"ways/{key}": x for key, x in packed(routes, self._act_space).items()}
        found["entries"] = np.array([number[entry.route] for entry in self.entries], np.int64)
        found["mastered"] = np.array([entry.mastered for entry in self.entries], np.float64)
        found["origins"] = np.array([number[route] for route in self._origins], np.int64)
        found["reached"] = self._reached.copy()
        return {f"frontier/{key}": value for key, value in found.items()}

    def parse(
        self, snapshot: Mapping[str, np.ndarray]
    ) -> tuple[FrontierState, dict[str, np.ndarray]]:
        """Splits a snapshot into the frontier and the rest.

        Raises:
            ValueError: the arrays do not fit each other or these games.
        """
        rest = dict(snapshot)
        keys = [key for key in snapshot if key.startswith("frontier/")]
        found = {key.removeprefix("frontier/"): rest.pop(key) for key in keys}
        numbers = {key: np.asarray(found.pop(key, None)) for key in PARTS}
        routes = unpacked({k.removeprefix("ways/"): x for k, x in found.items()}, self._act_space)
        listed, mastered, origins, reached = (numbers[part] for part in PARTS)
        rows = (len(self._games),)
        if not (
            origins.shape == reached.shape == rows
            and listed.shape == mastered.shape == (listed.size,)
            and all(x.dtype.kind in "iu" for x in (listed, origins, reached))
            and ((origins >= -1) & (origins < len(routes)) & (reached >= 0)).all()
            and ((listed >= 0) & (listed < len(routes)) & (mastered >= 0) & (mastered < 1)).all()
            and len({routes[i].name for i in map(int, listed)}) == len(listed) <= CAPACITY
        ):
            raise ValueError(f"not a snapshot of a frontier of {rows[0]} games: {numbers}")
        entries = zip(listed, mastered, strict=True)
        past = FrontierState(
            tuple(Entry(routes[i], float(share)) for i, share in entries),
            [routes[i] if i >= 0 else None for i in origins],
            reached.astype(np.int64),
        )
        return past, rest

    def load(self, past: FrontierState) -> None:
        """Restores a snapshot without its states. `missing_routes` lists those to find again."""
        self.entries, self._origins, self._reached = past
        self.starts = [route.name if route else "" for route in self._origins]
        self._states = {}

    def missing_routes(self, limit: int) -> list[Route]:
        """Routes to replay after `load`, at most `limit`; empty once all states are known.

        The state at the origin of each is known. Pass its own final state to `store_state`.
        """
        wanted = [
            route
            for route in with_origins(self._needed())
            if route not in self._states and (route.origin is None or route.origin in self._states)
        ]
        if not wanted:
            self._drop_unused_states()
        return wanted[:limit]

    def store_state(self, route: Route, state: Any) -> None:
        """Stores the final state of a missing route; None if it did not reach its milestone."""
        if state is not None:
            self._states[route] = state
        else:
            logging.getLogger(__name__).warning(
                "the route to %r does not repeat itself; no later episode begins there",
                route.name,
            )
            self.entries = tuple(x for x in self.entries if route not in with_origins([x.route]))
            self._origins = [None if route in with_origins([x]) else x for x in self._origins]

    def start_at(self, row: int, route: Route | None) -> None:
        """Begins the next episode of a row at the end of a route; overrides any draw."""
        self._games[row].start_from(self._states[route] if route else None)

    def start_at_origins(self) -> None:
        """Begins the next episode of each row where its current one began."""
        for row, route in enumerate(self._origins):
            self.start_at(row, route)

    def _set_origin(self, row: int, route: Route | None) -> None:
        self._origins[row] = route
        self.starts[row] = route.name if route else ""
        self._reached[row] = 0
        self._drop_unused_states()
        self.start_at(row, route)

    def _needed(self) -> list[Route | None]:
        return [*(entry.route for entry in self.entries), *self._origins]

    def _drop_unused_states(self) -> None:
        """Frees the states of dropped entries."""
        needed = set(self._needed())
        self._states = {route: state for route, state in self._states.items() if route in needed}
