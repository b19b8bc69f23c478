"""Plays the project's own cartridge to its end, from what an agent observes of it.

The player knows the rooms, the order of the story, and what to say in menus. It plans again at each
step, so it also continues after random actions.
"""

import functools
from collections import deque
from collections.abc import Iterator
from importlib import resources
from typing import Any, NamedTuple

import numpy as np

from envs.pokemon.cartridge.art import drawings
from envs.pokemon.cartridge.build import EVENTS, MAPS
from envs.pokemon.text import LETTERS

WORDS = ("FERN", "MOSS", "PINE", "ROSE")
FACINGS = ("down", "up", "left", "right")
MOVES = {"down": (1, 0), "up": (-1, 0), "left": (0, -1), "right": (0, 1)}
FREE = {"walk", "tall"}
FLAGS = [EVENTS[flag] for flag in sorted(EVENTS)]
SIGNS = {0x79: "┌", 0x7A: "─", 0x7B: "┐", 0x7C: "│", 0x7D: "└", 0x7E: "┘"}

# Doors and edges: the cell to step on -> where it leads to.
DOORS = {
    ("home", 5, 4): ("village", 4, 3),
    ("village", 3, 3): ("home", 4, 4),
    ("village", 5, 9): ("route", 5, 1),
    ("route", 5, 0): ("village", 5, 8),
    ("route", 5, 9): ("town", 4, 1),
    ("town", 4, 0): ("route", 5, 8),
    ("town", 2, 2): ("lab", 6, 4),
    ("town", 2, 7): ("clinic", 6, 4),
    ("town", 7, 4): ("gym", 6, 4),
    ("town", 4, 9): ("forest", 4, 1),
    ("lab", 7, 4): ("town", 3, 2),
    ("clinic", 7, 4): ("town", 3, 7),
    ("gym", 7, 4): ("town", 8, 4),
    ("forest", 4, 0): ("town", 4, 7),
    ("forest", 1, 7): ("hall", 6, 4),
    ("hall", 7, 4): ("forest", 2, 7),
}
# People and things in the way: cell, the event after which they are gone, the one that brings them.
THINGS = (
    (("home", 4, 4), "gate_open", ""),
    (("home", 4, 3), "", "gate_open"),
    (("village", 6, 2), "", ""),
    (("route", 4, 8), "", ""),
    (("route", 1, 7), "found_potion", ""),
    (("town", 4, 8), "beat_flint", ""),
    (("town", 5, 8), "", "beat_flint"),
    (("lab", 3, 4), "", ""),
    (("gym", 2, 4), "", ""),
    (("gym", 4, 5), "", ""),
    (("forest", 7, 8), "found_nets", ""),
    (("hall", 3, 4), "", ""),
)
# The story: what happens, the cell to turn to, the level to have before.
STORY = (
    ("read_note", ("home", 2, 4), 0),
    ("gate_open", ("home", 4, 4), 0),
    ("found_potion", ("route", 1, 7), 0),
    ("beat_tim", ("route", 4, 8), 7),
    ("got_cinderup", ("lab", 3, 4), 0),
    ("beat_jo", ("gym", 4, 5), 0),
    ("beat_flint", ("gym", 2, 4), 0),
    ("found_nets", ("forest", 7, 8), 0),
    ("beat_iris", ("hall", 3, 4), 11),
)
NURSE = ("clinic", 2, 3)  # behind a counter
WEAK = 0.5  # share of health below which a clinic is worth its way

Cell = tuple[str, int, int]  # room, row, column


class Seen(NamedTuple):
    """What an observation says."""

    rows: list[str]  # 18 rows of text
    cell: Cell
    facing: str
    events: frozenset[str]
    in_battle: bool
    level: int  # of the first of the party
    health: float  # share, of the first of the party


def seen(obs: dict[str, np.ndarray]) -> Seen:
    """Reads an observation of `gameboy_demo`, [...] by key."""
    letters = LETTERS | SIGNS
    grid = np.reshape(obs["text"], (18, 20)).tolist()
    numbers = np.ravel(obs["numbers"])
    row, column = round(float(numbers[1]) * 9), round(float(numbers[0]) * 10)
    return Seen(
        rows=["".join(letters.get(code, " ")[:1] for code in line) for line in grid],
        cell=(MAPS.get(int(np.ravel(obs["map"])[0]), ""), row, column),
        facing=FACINGS[int(np.ravel(obs["facing"])[0])],
        events=frozenset(FLAGS[i] for i in np.flatnonzero(np.ravel(obs["events"])).tolist()),
        in_battle=int(np.ravel(obs["battle"])[0]) in (1, 2),
        level=round(10 * float(numbers[9])),
        health=float(numbers[10]),
    )


class CartridgePlayer:
    """Plays one episode; remembers the word of the day."""

    def __init__(self, random: np.random.Generator) -> None:
        """`random` chooses where several buttons are as good."""
        self._random = random
        self._word = ""

    def button(self, obs: dict[str, np.ndarray]) -> str:
        """The button to press at an observation."""
        now = seen(obs)
        text = " ".join(now.rows)
        for word in WORDS:
            if "The word is" in text and word in text:
                self._word = word
        if any(word in now.rows[4 + 2 * i] for i, word in enumerate(WORDS)):
            return self._answer(now)
        if now.in_battle:
            return self._fight(now)
        if "┌" in text:
            return self._talk(now)
        return self._walk(now)

    def is_asked(self, obs: dict[str, np.ndarray]) -> bool:
        """Whether the keeper waits for his answer, which is final."""
        rows = seen(obs).rows
        return any(word in rows[4 + 2 * i] for i, word in enumerate(WORDS))

    def _answer(self, now: Seen) -> str:
        """Moves the cursor to the word; leaves the menu without one."""
        if not self._word:
            return "b"
        wanted = 4 + 2 * WORDS.index(self._word)
        at = _cursor(now.rows)
        if at is None or at[0] == wanted:
            return "a"
        return "down" if at[0] < wanted else "up"

    def _fight(self, now: Seen) -> str:
        """Always attacks, with the second move against stones."""
        at = _cursor(now.rows)
        if at is None:
            return "a"
        line = now.rows[at[0]][at[1] + 1 :]
        if "FIGHT" in now.rows[14]:
            if line.startswith("FIGHT"):
                return "a"
            return "left" if at[1] > 9 and "FIGHT" in now.rows[at[0]] else "up"
        if at[0] >= 13:
            wanted = 14 if "PEBBLOR" in now.rows[0] else 13
            return "a" if at[0] == wanted else ("down" if at[0] < wanted else "up")
        return str(self._random.choice(["a", "b", "down"]))

    def _talk(self, now: Seen) -> str:
        """Reads on; agrees to all but to buying."""
        text = " ".join(now.rows)
        if _cursor(now.rows) is None:
            return "a"
        if "Buy one" in text:
            return "b"
        if "heal your" in text or "Will you" in text or "along" in text:
            return "a"
        return "b"

    def _walk(self, now: Seen) -> str:
        target, level = self._target(now)
        if not target:
            return "b"
        if now.level < level and now.cell[0] in ("route", "forest", "town"):
            return self._train(now)
        path = _path(now.cell, target, _blocked(now.events))
        if path is None:
            return str(self._random.choice(list(MOVES)))
        if path:
            return path[0]
        facing = _direction(now.cell, target)
        return "a" if now.facing == facing else facing

    def _target(self, now: Seen) -> tuple[Cell | None, int]:
        """What to turn to next, and the level to have before."""
        if now.health < WEAK and "beat_tim" in now.events and now.cell[0] not in ("gym", "hall"):
            return NURSE, 0
        for event, target, level in STORY:
            if event not in now.events:
                return target, level
        return None, 0

    def _train(self, now: Seen) -> str:
        """Walks in the nearest weeds."""
        kinds = _kinds()
        blocked = _blocked(now.events)
        if kinds.get(now.cell) == "tall":
            near = [name for name in MOVES if kinds.get(_moved(now.cell, name)) == "tall"]
            return str(self._random.choice(near or list(MOVES)))
        path = _search(now.cell, lambda cell: kinds.get(cell) == "tall", blocked)
        return path[0] if path else str(self._random.choice(list(MOVES)))


def _cursor(rows: list[str]) -> tuple[int, int] | None:
    """Row and column of the cursor."""
    found = [(i, row.index("▶")) for i, row in enumerate(rows) if "▶" in row]
    return found[-1] if found else None


@functools.cache
def _kinds() -> dict[Cell, str]:
    """The kind of every cell of every room."""
    art = resources.files("envs.pokemon.cartridge").joinpath("art")
    blocks = drawings(art.joinpath("blocks.txt").read_text())
    kinds = {block.title[0]: block.title[2] for block in blocks}
    return {
        (room.title[0].lower(), i, j): kinds[letter]
        for room in drawings(art.joinpath("rooms.txt").read_text())
        for i, line in enumerate(room.lines)
        for j, letter in enumerate(line)
    }


def _blocked(events: frozenset[str]) -> set[Cell]:
    return {
        cell
        for cell, gone, comes in THINGS
        if (not gone or gone not in events) and (not comes or comes in events)
    }


def _moved(cell: Cell, name: str) -> Cell:
    return (cell[0], cell[1] + MOVES[name][0], cell[2] + MOVES[name][1])


def _direction(cell: Cell, target: Cell) -> str:
    """The direction of a target in the same room; it may be behind a counter."""
    down, right = target[1] - cell[1], target[2] - cell[2]
    if abs(down) > abs(right):
        return "down" if down > 0 else "up"
    return "right" if right > 0 else "left"


def _is_beside(cell: Cell, target: Cell) -> bool:
    if target == NURSE:
        return cell == ("clinic", 4, 3)
    return cell[0] == target[0] and abs(cell[1] - target[1]) + abs(cell[2] - target[2]) == 1


def _path(start: Cell, target: Cell, blocked: set[Cell]) -> list[str] | None:
    """Buttons to a cell next to the target; None if there is no way."""
    return _search(start, lambda cell: _is_beside(cell, target), blocked)


def _search(start: Cell, is_goal: Any, blocked: set[Cell]) -> list[str] | None:
    """The shortest way, breadth first."""
    came: dict[Cell, tuple[Cell, str] | None] = {start: None}
    waiting = deque([start])
    while waiting:
        cell = waiting.popleft()
        if is_goal(cell):
            return list(_back(came, cell))[::-1]
        for name in MOVES:
            there = _moved(cell, name)
            if _kinds().get(there) not in FREE or there in blocked:
                continue
            there = DOORS.get(there, there)
            if there not in came:
                came[there] = (cell, name)
                waiting.append(there)
    return None


def _back(came: dict[Cell, tuple[Cell, str] | None], cell: Cell) -> Iterator[str]:
    while (step := came[cell]) is not None:
        cell, name = step
        yield name
