"""Builds the cartridge from `asm/` and `art/` in less than a second.

`WORDGATE` is a small complete game for the Game Boy in the memory layout of Pokémon Red, so the
same code reads both. A keeper stands at the door of the house and asks for the word of the day. A
note on the wall has the word. Outside are a village, a route, a town, a forest, two badges and an
ending.

For an environment:

- After `READY_FRAMES` frames without a button the player stands at home before the note. Nothing
  happens until the first button.
- The 16 bits at `SEED` (low byte first) determine the word and all later random numbers. They count
  the frames until the first button. A number written there before it replaces the count; each of
  the four words then has exactly a quarter of all numbers.
- The keeper accepts one answer a game. After a wrong one he says the word, `GATE_SHUT` becomes 1
  and the player can no longer leave. There is no event for it, since it earns no reward. B leaves
  the menu without an answer.
- At the end `EVENTS[THE_END]` is set and the screen stays. A, B, SELECT and START together restart
  the game.
- Before an answer the word is in two places only: in the text of the note while it is read, and in
  memory from $DE00 on, which agents do not read.
- `EVENTS[104]`, the radio, can be switched on and off repeatedly.
"""

import functools
from importlib import resources
from importlib.resources.abc import Traversable
from typing import NamedTuple

from envs.pokemon.cartridge.assembler import assemble
from envs.pokemon.cartridge.charmap import CHARACTERS
from envs.pokemon.cartridge.graphics import source

TITLE = "WORDGATE"
ROM_SIZE = 0x8000

READY_FRAMES = 240  # from power on
SEED = 0xDE00  # address; 2 bytes, low first
GATE_SHUT = 0xDE06  # address

# By the number in `wCurMap`, that of a similar place in Pokémon Red.
MAPS = {
    0x25: "home",
    0x00: "village",
    0x0C: "route",
    0x01: "town",
    0x28: "lab",
    0x29: "clinic",
    0x36: "gym",
    0x33: "forest",
    0x76: "hall",
}

# By the bit in `wEventFlags`, roughly in the order of the story.
THE_END = 2304
EVENTS = {
    57: "read_note",
    38: "met_keeper",
    37: "gate_open",
    152: "beat_tim",
    80: "found_potion",
    1372: "got_cinderup",
    104: "radio_on",
    114: "beat_jo",
    119: "beat_flint",
    1504: "found_nets",
    2305: "beat_iris",
    THE_END: "the_end",
}


class BuiltCartridge(NamedTuple):
    """The ROM and its symbols."""

    rom: bytes
    symbols: dict[str, int]  # labels and constants of the source, such as `wTileMap`


@functools.cache
def build() -> BuiltCartridge:
    """Assembles the game.

    Raises:
        AssemblyError: the source has a mistake.
    """
    program = assemble(_sources(), "main.asm", CHARACTERS)
    return BuiltCartridge(_finished(program.code), program.symbols)


def _sources() -> dict[str, str]:
    """Text of every file to assemble, by name."""
    folder = resources.files("envs.pokemon.cartridge")
    found = _texts(folder.joinpath("asm"))
    found["drawings.asm"] = source(_texts(folder.joinpath("art")), TITLE)
    return found


def _texts(folder: Traversable) -> dict[str, str]:
    return {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()}


def _finished(code: bytes) -> bytes:
    """Pads the cartridge and completes its header: title, type, checksums; no logo."""
    if len(code) > ROM_SIZE:
        raise ValueError(f"the game has {len(code)} bytes, {ROM_SIZE} fit")
    rom = bytearray(code.ljust(ROM_SIZE, b"\xff"))
    rom[0x104:0x150] = bytes(0x4C)
    rom[0x134 : 0x134 + len(TITLE)] = TITLE.encode("ascii")
    rom[0x14A] = 1  # not for Japan; the other fields are 0: 32 KiB, no more chips
    rom[0x14D] = -sum(byte + 1 for byte in rom[0x134:0x14D]) & 0xFF
    rom[0x14E:0x150] = (sum(rom) & 0xFFFF).to_bytes(2, "big")
    return bytes(rom)
