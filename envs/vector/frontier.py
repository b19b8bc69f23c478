"""A frontier of milestones that were reached in play, where a share of the episodes begins.

Everything is decided by whoever steps the environments, row by row in the order of the steps, so a
frontier is a function of the seed of the run and of the actions.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from envs.kinds import AnySpace
from envs.vector.routes import Route, packed, unpacked, with_origins

CAPACITY = 32  # entries; the states of a Game Boy take 5 MB then
RATE = 0.1  # weight of the newest episode in `Entry.mastered`
PARTS = ("entries", "mastered", "origins", "reached")  # of a snapshot, beside the routes
DRAW = 1  # spawn key: what is drawn here has nothing to do with what the game makes of its seed


class Startable(Protocol):
    """A game that can begin an episode at moments of earlier ones."""

    def start_from(self, state: Any) -> None:
        """Lets the episodes prepared from now on begin at a state (see `Outcome.state`).

        None stands for the beginning of the game.
        """
        ...


class Entry(NamedTuple):
    """A milestone that episodes can begin at."""

    route: Route
    mastered: float  # share of the episodes begun here that reached another one, see `with_outcome`


Entries = tuple[Entry, ...]  # in the order in which their milestones were first reached


def weights(entries: Entries) -> np.ndarray:
    """[N] float64, how likely each entry is drawn: the furthest and the least mastered most.

    w_i = d_i (1 - m_i) / Σ_j d_j (1 - m_j), with d the milestones on the route to an entry, its own
    included, and m the share of it that is mastered. As d grows by one from milestone to milestone,
    no place that nobody gets away from can take all episodes.
    """
    raw = _importance(entries)
    return raw / raw.sum()


def with_outcome(entries: Entries, name: str, success: bool) -> Entries:
    """After an episode that began at the milestone `name`: m <- m + RATE (s - m), from m = 0 on.

    `success`, s, is whether it reached another milestone. Nothing happens to an entry that is gone.
    """
    return tuple(
        entry._replace(mastered=entry.mastered + RATE * (success - entry.mastered))
        if entry.route.name == name
        else entry
        for entry in entries
    )


def with_route(entries: Entries, route: Route) -> Entries:
    """With a new route to a milestone.

    It takes the place of the one to the same milestone unless that has come by more others; what is
    known of how well the milestone is mastered stays. Where there are more than CAPACITY then, the
    one that would be drawn the least goes, of equals the oldest.
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
    """A frontier of E games at some moment, without the states."""

    entries: Entries
    origins: list[Route | None]  # where the current episodes began
    reached: np.ndarray  # [E] int64, milestones in the current episodes


class Frontier:
    """Where the episodes of E games begin; changes as milestones are reached."""

    def __init__(self, share: float, games: Sequence[Startable], act_space: Mapping[str, AnySpace]):
        """`share` of the episodes, 0 to 1, begin at an entry as soon as there is one."""
        self.entries: Entries = ()
        self.starts = [""] * len(games)  # see `VectorEnv.starts`
        self._share = share
        self._games = games
        self._act_space = act_space
        self._origins: list[Route | None] = [None] * len(games)  # where the current episodes began
        self._reached = np.zeros(len(games), np.int64)  # milestones in the current episodes
        self._states: dict[Route, Any] = {}  # of entries and of current origins

    def clear(self) -> None:
        """Forgets everything; all games are to begin at the beginning."""
        self.entries, self._states = (), {}
        for row in range(len(self._games)):
            self._set_origin(row, None)

    def draw_start(self, row: int, seed: int) -> None:
        """Draws where the episode of this seed begins, and lets the game know."""
        random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(DRAW,)))
        route = None
        if random.random() < self._share and self.entries:
            edges = np.cumsum(weights(self.entries))[:-1]
            route = self.entries[int(np.searchsorted(edges, random.random(), "right"))].route
        self._set_origin(row, route)

    def record_step(self, row: int, names: Sequence[str], over: bool) -> None:
        """Takes into account which milestones a row has reached, and whether its episode ended."""
        self._reached[row] += len(names)
        origin = self._origins[row]
        if over and origin is not None:
            self.entries = with_outcome(self.entries, origin.name, bool(self._reached[row]))

    def add(
        self, row: int, name: str, state: Any, seed: int, actions: Mapping[str, np.ndarray]
    ) -> None:
        """Lets later episodes begin where the episode of a row is now, at the milestone `name`.

        Args:
            row: of the game.
            name: of the milestone, which was reached in this step.
            state: for `Startable.start_from`.
            seed: of the episode.
            actions: [n, k] per key, all that it has taken.
        """
        origin = self._origins[row]
        depth = (origin.depth if origin else 0) + int(self._reached[row])
        route = Route(name, depth, origin, seed, actions)
        self.entries = with_route(self.entries, route)
        self._states[route] = state
        self._drop_unused_states()

    def snapshot(self) -> dict[str, np.ndarray]:
        """All that `load` needs, keys as in `VectorEnv.snapshot`; no states."""
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
        """What a snapshot says of the frontier, and the rest of the snapshot.

        Raises ValueError if it does not fit together or these games.
        """
        rest = dict(snapshot)
        keys = [key for key in snapshot if key.startswith("frontier/")]
        found = {key.removeprefix("frontier/"): rest.pop(key) for key in keys}
        numbers = {key: np.asarray(found.pop(key, None)) for key in PARTS}
        routes = unpacked({k.removeprefix("ways/"): x for k, x in found.items()}, self._act_space)
        listed, mastered, origins, reached = numbers.values()
        rows = (len(self._games),)
        if not (
            origins.shape == reached.shape == rows
            and listed.shape == mastered.shape == (listed.size,)
            and all(x.dtype.kind in "iu" for x in (listed, origins, reached))
            and ((origins >= -1) & (origins < len(routes)) & (reached >= 0)).all()
            and ((listed >= 0) & (listed < len(routes)) & (mastered >= 0) & (mastered < 1)).all()
            and len({routes[i].name for i in listed}) == len(listed) <= CAPACITY
        ):
            raise ValueError(f"no snapshot of a frontier of {rows[0]} games: {numbers}")
        entries = zip(listed, mastered, strict=True)
        past = FrontierState(
            tuple(Entry(routes[i], float(share)) for i, share in entries),
            [routes[i] if i >= 0 else None for i in origins],
            reached.astype(np.int64),
        )
        return past, rest

    def load(self, past: FrontierState) -> None:
        """Goes back to a snapshot, but for the states: all that are needed are `missing_routes`."""
        self.entries, self._origins, self._reached = past
        self.starts = [route.name if route else "" for route in self._origins]
        self._states = {}

    def missing_routes(self, limit: int) -> list[Route]:
        """Ways to play again after `load`, at most `limit`, until there are none.

        The state that each begins at is known; `store_state` wants to know where it has led.
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
        """The state that a missing route has led to; None if it did not come to its milestone."""
        if state is not None:
            self._states[route] = state
        else:
            logging.getLogger(__name__).warning(
                "the route to %r does not repeat itself: no episode begins there any more",
                route.name,
            )
            self.entries = tuple(x for x in self.entries if route not in with_origins([x.route]))
            self._origins = [None if route in with_origins([x]) else x for x in self._origins]

    def start_at(self, row: int, route: Route | None) -> None:
        """Lets the next episode of a row begin at the end of a route, whatever was drawn."""
        self._games[row].start_from(self._states[route] if route else None)

    def start_at_origins(self) -> None:
        """Lets the next episode of each row begin where its current one began."""
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
        """Frees the states that nobody begins at any more."""
        needed = set(self._needed())
        self._states = {route: state for route, state in self._states.items() if route in needed}
