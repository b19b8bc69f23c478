"""Plays the cartridge by buttons, and reads its memory at the addresses of Pokémon Red.

The addresses are written down here a second time, so that a change of the game's layout is seen.
"""

import importlib
import io
import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from envs.pokemon import memory
from envs.pokemon.cartridge.build import EVENTS, MAPS, READY_FRAMES, SEED, build
from envs.pokemon.cartridge.charmap import VISIBLE
from envs.pokemon.gameboy import WORK_RAM
from envs.pokemon.memory import Battle, Fighter, PokemonReading

FRAMES = 24  # of a button: 8 held, 16 released
FACINGS = {0: "down", 4: "up", 8: "left", 12: "right"}
NAMES = {
    0x99: "SPRIGLET",
    0xB0: "CINDERUP",
    0x24: "CHIRPET",
    0xA5: "NIBBLIN",
    0x70: "WRIGGLY",
    0xA9: "PEBBLOR",
    0x58: "DRAKELET",
}
ITEMS = {0x14: "POTION", 0x04: "NET"}
FIRST_LETTER = 0x79  # and of frames; what lies below are blocks, pictures and bars
LETTERS = {code: letter for letter, code in VISIBLE.items()}


class Player:
    """A console with the cartridge in it, someone's thumbs and a debugger."""

    def __init__(self, seed: int):
        self.boy: Any = importlib.import_module("pyboy").PyBoy(
            io.BytesIO(build().rom), window="null", sound_emulated=False, log_level="ERROR"
        )
        self.memory = self.boy.memory
        self.pressed = 0
        self.boy.tick(READY_FRAMES, False)
        self.memory[SEED] = seed & 0xFF
        self.memory[SEED + 1] = seed >> 8
        self.memory[0xD355] = self.memory[0xD355] & 0xF8 | 1  # a letter a frame

    def press(self, buttons: str) -> None:
        """Presses buttons one after the other, such as "up 2 a": up twice, then A."""
        for word, after in pairwise([*buttons.split(), ""]):
            for _ in range(int(after) if after.isdigit() else not word.isdigit()):
                if word != "wait":
                    self.boy.button(word, 8)
                self.boy.tick(FRAMES, True)
                self.pressed += 1

    def until(self, done: Callable[[], bool], buttons: str = "wait", limit: int = 40) -> None:
        """Presses the buttons again and again until it is done."""
        for _ in range(limit):
            if done():
                return
            self.press(buttons)
        raise AssertionError(f"not after {limit} times {buttons!r}: {self.world()} {self.rows()}")

    def hears(self, text: str) -> None:
        """Waits until the message box says exactly this."""
        self.until(lambda: self.dialogue() == text, limit=4)

    def fight(self, move: int = 0) -> None:
        """Uses the same move until the battle is over, and reads along."""
        for _ in range(200):
            if not self.byte(0xD057):
                self.press("wait 2")
                return
            if self.rows()[14][7:13] == "▶FIGHT":
                self.check_battle()
                self.press("a")
                assert self.byte(0xCC26) == 0 and "▶" in self.rows()[13]
                for _ in range(move):
                    self.press("down")
                assert self.byte(0xCC26) == move and "▶" in self.rows()[13 + move]
            self.press("a")
        raise AssertionError(f"the battle does not end: {self.rows()}")

    def check_battle(self) -> None:
        """Names, levels and health on the screen are those in memory, and in the party."""
        rows = self.rows()
        mine, other = self.word(0xD015), self.word(0xCFE6)
        assert rows[0].strip() == NAMES[self.byte(0xCFE5)]
        assert rows[1].split() == [str(self.byte(0xCFF3))]
        assert self.bar(2, 4) == filled(other, self.word(0xCFF4))
        assert rows[7].strip() == NAMES[self.byte(0xD014)]
        assert rows[8].split() == [str(self.byte(0xD022))]
        assert self.bar(9, 12) == filled(mine, self.word(0xD023))
        assert "".join(rows[10].split()) == f"{mine}/{self.word(0xD023)}"
        own = Fighter(mine, self.word(0xD023), self.byte(0xD022))
        enemy = Fighter(other, self.word(0xCFF4), self.byte(0xCFF3))
        assert self.reading().battle == Battle(self.byte(0xD057), own, enemy)
        out = self.byte(0xCC2F)
        assert self.member(out) == f"{rows[7].strip()} {rows[8].strip()} {mine}/{self.word(0xD023)}"

    def bar(self, row: int, column: int) -> int:
        """Pixels of a bar of health."""
        return sum(code - 0x63 for code in self.tiles(row)[column : column + 6])

    def tiles(self, row: int) -> bytes:
        """The 20 codes of a row."""
        at = 0xC3A0 + 20 * row
        return bytes(self.memory[at : at + 20])

    def byte(self, address: int) -> int:
        return self.memory[address]

    def word(self, address: int) -> int:
        """Two bytes, the high one first."""
        return self.memory[address] << 8 | self.memory[address + 1]

    def rows(self) -> list[str]:
        """The 18 rows of the screen; whatever is no text is a space."""
        return [
            "".join(LETTERS.get(code, " ") if code >= FIRST_LETTER else " " for code in codes)
            for codes in map(self.tiles, range(18))
        ]

    def shows_text(self) -> bool:
        """Whether there is the corner of a box."""
        return "┌" in "".join(self.rows())

    def dialogue(self) -> str:
        """Both lines of the message box, without frame and arrow."""
        rows = self.rows()
        if not rows[12].startswith("┌"):
            return ""
        for row in rows[13:17]:
            assert row[0] == "│" and (row[-1] == "│" or self.byte(0xD057)), f"too long: {rows}"
        return " ".join(re.sub("[│▼]", "", rows[row]).strip() for row in (14, 16)).strip()

    def menu(self) -> list[str]:
        """Everything with a cursor, or where a cursor could be, in one list of lines."""
        return [row.split("│")[1].strip() for row in self.rows()[:12] if row.count("│") == 2]

    def events(self) -> set[str]:
        flags = bytes(self.memory[0xD747:0xD887])
        return {EVENTS[n] for n in range(2560) if flags[n >> 3] >> (n & 7) & 1}

    def party(self) -> list[str]:
        """Such as "SPRIGLET 5 20/20"."""
        return [self.member(i) for i in range(self.byte(0xD163))]

    def member(self, i: int) -> str:
        base = 0xD16B + 44 * i
        assert self.byte(base) == self.byte(0xD164 + i)
        health = f"{self.word(base + 1)}/{self.word(base + 0x22)}"
        return f"{NAMES[self.byte(base)]} {self.byte(base + 0x21)} {health}"

    def bag(self) -> list[str]:
        """Such as "POTION 2"."""
        pairs = [(0xD31E + 2 * i) for i in range(self.byte(0xD31D))]
        assert self.byte(0xD31E + 2 * len(pairs)) == 0xFF
        return [f"{ITEMS[self.byte(at)]} {self.byte(at + 1)}" for at in pairs]

    def money(self) -> int:
        return int(bytes(self.memory[0xD347:0xD34A]).hex())

    def reading(self) -> PokemonReading:
        """What the environment would read."""
        return memory.read(bytes(self.memory[WORK_RAM.start : WORK_RAM.stop]))

    def world(self) -> dict[str, Any]:
        """Where the player is, has and has done; nothing that changes in fights."""
        return {
            "map": MAPS[self.byte(0xD35E)],
            "at": (self.byte(0xD361), self.byte(0xD362)),
            "facing": FACINGS[self.byte(0xC109)],
            "battle": self.byte(0xD057),
            "bag": self.bag(),
            "money": self.money(),
            "badges": self.byte(0xD356),
            "events": self.events(),
            "team": [member.split()[0] for member in self.party()],
        }


def filled(health: int, most: int) -> int:
    """Pixels of a bar that are full, of 48; one at least while there is any health."""
    return max(48 * health // most, 1) if health else 0
