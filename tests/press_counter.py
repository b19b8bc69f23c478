"""A Game Boy cartridge that counts, small enough to be read here byte by byte.

Each new press of a button adds 1 to a byte of memory; each frame adds 1 to FRAMES and colors the
whole screen by it. And a game in Pokémon Red's memory layout, made of it.
"""

import dataclasses

import numpy as np

from envs.pokemon.environment import Options, make_for_cartridge
from envs.pokemon.gameboy import BUTTONS, Gameboy
from envs.pokemon.progress import World
from envs.pokemon.red_cartridge import Cartridge
from envs.timestep import Timestep, VectorEnv
from envs.vector.vector import VectorizedEnv

HELD, FRAMES = 0xC000, 0xC001
# Button -> the byte that it counts in; from the lowest bit of what the hardware tells.
COUNTERS = {
    "right": 0xD362,  # x
    "left": 0xD347,  # the two highest digits of the money
    "up": 0xD35E,  # map
    "down": 0xD361,  # y
    "a": 0xD747,  # the first events: 1, 2, 1 and 2, 3, ...
    "b": 0xD356,  # badges, likewise
    "select": 0xC002,
    "start": 0xD057,  # battle: none, wild, trainer, lost
}
CODE = 0x150
TABLE = 0x1C0

PROGRAM = """
    F3            di
    31 FF DF      ld sp, DFFF
    AF            xor a
    EA 00 C0      ld (C000), a
    EA 01 C0      ld (C001), a
    3C            inc a
    E0 FF         ldh (FF), a       ; wake up when the screen is drawn
    3E 91         ld a, 91          ; screen on
    E0 40         ldh (40), a
    AF            xor a             ; loop:
    E0 0F         ldh (0F), a
    76            halt
    00            nop
    21 01 C0      ld hl, C001
    34            inc (hl)
    7E            ld a, (hl)
    E0 47         ldh (47), a       ; palette
    3E 20         ld a, 20          ; which directions are held
    E0 00         ldh (00), a
    F0 00         ldh a, (00)
    F0 00         ldh a, (00)
    2F            cpl
    E6 0F         and 0F
    47            ld b, a
    3E 10         ld a, 10          ; which buttons are held
    E0 00         ldh (00), a
    F0 00         ldh a, (00)
    F0 00         ldh a, (00)
    2F            cpl
    E6 0F         and 0F
    CB 37         swap a
    B0            or b
    47            ld b, a
    2B            dec hl
    7E            ld a, (hl)        ; and were not in the frame before
    2F            cpl
    A0            and b
    4F            ld c, a
    70            ld (hl), b
    21 C0 01      ld hl, table
    2A            ld a, (hl+)       ; next: the byte of one button
    5F            ld e, a
    2A            ld a, (hl+)
    57            ld d, a
    CB 39         srl c
    30 03         jr nc, skip
    1A            ld a, (de)
    3C            inc a
    12            ld (de), a
    7D            ld a, l           ; skip:
    FE D0         cp D0             ; end of the table
    20 F0         jr nz, next
    18 BE         jr loop
"""


def rom() -> bytes:
    """32 KiB."""
    code = bytes.fromhex("".join(line[:18] for line in PROGRAM.splitlines()))
    table = b"".join(address.to_bytes(2, "little") for address in COUNTERS.values())
    image = bytearray(0x8000)
    image[0x100:0x104] = bytes.fromhex("00 C3 50 01")  # nop; jp 0150
    image[0x134:0x13B] = b"COUNTER"
    image[CODE : CODE + len(code)] = code
    image[TABLE : TABLE + len(table)] = table
    image[0x14D] = -sum(image[0x134:0x14D]) - 25 & 0xFF
    return bytes(image)


# The game -------------------------------------------------------------------------------------

WORLD = World(
    flags={0: "one", 1: "two", 2: "four"},
    maps={0: "home", 1: "road"},
    badges={0: "stone"},
    tracked=(1,),
    uncounted=frozenset(),
    goal=2,  # set by the fourth press of A
)


class Switched:
    """Switches on and writes to memory; a class, so that `start` may be told what."""

    def __init__(self, pokes: dict[int, bytes]):
        self.pokes = {0xD368: b"\x09\x09", 0xD355: b"\xc5", **pokes}

    def __call__(self, gameboy: Gameboy) -> None:
        gameboy.wait(100)
        for address, data in self.pokes.items():
            for i, byte in enumerate(data):
                gameboy.write(address + i, byte)


def cartridge(
    pokes: dict[int, bytes] | None = None, seeds: tuple[int, ...] = (), lost: int | None = None
) -> Cartridge:
    return Cartridge(rom(), WORLD, Switched(pokes or {}), seeds, lost)


def build(num_envs: int = 1, pokes: dict[int, bytes] | None = None, **changes) -> VectorizedEnv:
    options = dataclasses.replace(Options(wait=3), **changes)
    return make_for_cartridge(cartridge(pokes), options, num_envs=num_envs, seed=5)


def play(env: VectorEnv, *buttons: str) -> list[Timestep]:
    """Resets and presses the buttons, the same in every row."""
    rows = np.ones((env.num_envs, 1), np.int32)
    trace = [env.reset()]
    for button in buttons:
        trace.append(env.step({"action": BUTTONS.index(button) * rows}))
    return trace


def values(trace: list[Timestep], event: str) -> list[float]:
    return [float(timestep.events[f"event/{event}"][0]) for timestep in trace]
