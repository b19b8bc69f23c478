"""The progress of an episode of Pokémon Red, and the events of each step.

Each event counts only what is new in the episode, so undoing something never pays twice.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from envs.pokemon.memory import Member, PlayerPosition, PokemonReading

AROUND = 48  # cells; side of the square of visited cells around the player
MARGIN = AROUND // 2
CELLS = 256  # values of a coordinate
SIDE = CELLS + AROUND  # cells; side of the array of visited cells of a map

# Sums over an episode. flags: events of the story; explored: the square root of the visited cells
# of a map, summed over maps; levels: highest sum of the party's levels; healed: restored shares of
# the party's health; seen, owned: Pokémon; blackouts: defeats of the whole party; success: goal
# reached.
EVENTS = (
    *("flags", "badges", "maps", "cells", "explored", "levels"),
    *("healed", "seen", "owned", "blackouts", "success"),
)


class World(NamedTuple):
    """The names and numbers of one game."""

    flags: Mapping[int, str]  # event flag -> name
    maps: Mapping[int, str]
    badges: Mapping[int, str]  # bit -> name
    tracked: tuple[int, ...]  # flags with their own 'event/<name>'
    uncounted: frozenset[int]  # flags that are no progress
    goal: int  # flag of 'event/success', which ends an episode


class Achieved(NamedTuple):
    """The progress of an episode at one step, for episodes that continue from there."""

    reading: PokemonReading
    flags: np.ndarray  # [2560] bool, as in `EpisodeProgress`
    badges: int
    levels: int
    dex: tuple[int, int]  # seen, owned
    healing: float
    visited: dict[int, np.ndarray]  # map -> [n] flat indices of visited cells, with margins


class EpisodeProgress:
    """Tracks one episode; `EVENTS` explains the names."""

    def __init__(self, start: PokemonReading, world: World):
        self.milestones = 0  # flags, badges and maps reached
        self._world = world
        self._counted = np.ones(len(start.flags), bool)
        self._counted[list(world.uncounted)] = False
        self._before = start
        self._flags = start.flags  # [2560] bool, ever set in the episode
        self._badges = start.badges
        self._levels = _levels(start)
        self._seen, self._owned = start.seen, start.owned
        self._healing = 1.0  # shares of health that may still count
        self._visited: dict[int, np.ndarray] = {}  # map -> [y, x] 0 or 255, with margins
        self._cells: dict[int, int] = {}  # map -> cells visited
        self._visit(start.player)

    @classmethod
    def after(cls, past: Achieved, now: PokemonReading, world: World) -> "EpisodeProgress":
        """Continues from the progress of another episode. Changes up to `now` earn nothing."""
        progress = cls(past.reading, world)
        progress._flags, progress._badges, progress._levels = past.flags, past.badges, past.levels
        progress._seen, progress._owned = past.dex
        progress._healing = past.healing
        for place, visited in past.visited.items():
            progress._visited[place] = np.zeros((SIDE, SIDE), np.uint8)
            progress._visited[place].flat[visited] = 255
            progress._cells[place] = len(visited)
        progress.update(now)
        progress.milestones = 0
        return progress

    def achieved(self) -> Achieved:
        """The progress so far, for `after`."""
        return Achieved(
            reading=self._before,
            flags=self._flags,
            badges=self._badges,
            levels=self._levels,
            dex=(self._seen, self._owned),
            healing=self._healing,
            visited={place: np.flatnonzero(x) for place, x in self._visited.items()},
        )

    def update(self, now: PokemonReading) -> tuple[dict[str, float], tuple[str, ...]]:
        """The events of this step, by `event_keys`, and the names of its new milestones."""
        flags = np.flatnonzero(now.flags & ~self._flags & self._counted).tolist()
        badges = [i for i in self._world.badges if now.badges & ~self._badges & (1 << i)]
        maps, cells, explored = self._visit(now.player)
        self._healing += len(flags)
        health = min(healed(self._before.party, now.party), self._healing)
        self._healing -= health
        added = {
            "flags": len(flags),
            "badges": len(badges),
            "maps": maps,
            "cells": cells,
            "explored": explored,
            "levels": max(0, _levels(now) - self._levels),
            "healed": health,
            "seen": max(0, now.seen - self._seen),
            "owned": max(0, now.owned - self._owned),
            "blackouts": beaten(now) and not beaten(self._before),
            "success": self._world.goal in flags,
        }
        added |= {self._world.flags[i]: i in flags for i in self._world.tracked}
        names = self._names(flags, badges, now.player.map if maps else None)
        self.milestones += len(names)
        self._remember(now)
        return {f"event/{key}": float(value) for key, value in added.items()}, names

    def around(self, player: PlayerPosition) -> np.ndarray:
        """[48, 48, 1] uint8: 255 at visited cells of this map, the player at [24, 24]."""
        visited = self._visited.get(player.map)
        if visited is None:
            return np.zeros((AROUND, AROUND, 1), np.uint8)
        view = visited[player.y : player.y + AROUND, player.x : player.x + AROUND]
        return view[..., None].copy()

    def _visit(self, player: PlayerPosition) -> tuple[int, int, float]:
        """Marks the player's cell; returns new maps, new cells and the gain of `explored`."""
        if not player.on_map:
            return 0, 0, 0.0
        new_map = player.map not in self._visited
        if new_map:
            self._visited[player.map] = np.zeros((SIDE, SIDE), np.uint8)
        visited, cell = self._visited[player.map], (player.y + MARGIN, player.x + MARGIN)
        if visited[cell]:
            return 0, 0, 0.0
        visited[cell] = 255
        cells = self._cells.get(player.map, 0) + 1
        self._cells[player.map] = cells
        return int(new_map), 1, float(np.sqrt(cells) - np.sqrt(cells - 1))

    def _names(self, flags: list[int], badges: list[int], place: int | None) -> tuple[str, ...]:
        world = self._world
        names = [f"flag/{world.flags.get(i, i)}" for i in flags]
        names += [f"badge/{world.badges[i]}" for i in badges]
        if place is not None:
            names.append(f"map/{world.maps.get(place, place)}")
        return tuple(names)

    def _remember(self, now: PokemonReading) -> None:
        self._before = now
        self._flags = self._flags | now.flags
        self._badges |= now.badges
        self._levels = max(self._levels, _levels(now))
        self._seen, self._owned = max(self._seen, now.seen), max(self._owned, now.owned)


def event_keys(world: World) -> tuple[str, ...]:
    """The keys of the events of `EpisodeProgress.update`."""
    names = (*EVENTS, *(world.flags[i] for i in world.tracked))
    return tuple(f"event/{name}" for name in names)


def healed(before: tuple[Member, ...], now: tuple[Member, ...]) -> float:
    """The share of the party's health that was restored in a step, 0 to 1.

    0 if the party changed (a member deposited, caught, evolved, grown a level or moved), or if all
    members were beaten: the game then heals them.
    """
    if _strength(before) != _strength(now) or not any(member.hp for member in before):
        return 0.0
    gain = sum(
        (new.hp - old.hp) / new.max_hp for old, new in zip(before, now, strict=True) if new.max_hp
    )
    return max(0.0, gain / len(now))


def beaten(reading: PokemonReading) -> bool:
    """Whether the party lost: no member has health left, or the game says so."""
    none_left = bool(reading.party) and not any(member.hp for member in reading.party)
    return none_left or reading.battle.kind == 3


def _levels(reading: PokemonReading) -> int:
    return sum(member.level for member in reading.party)


def _strength(party: tuple[Member, ...]) -> list[tuple[int, int, int]]:
    return [(member.species, member.level, member.max_hp) for member in party]
