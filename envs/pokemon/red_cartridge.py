"""Finds and checks the user's own cartridge of Pokémon Red or Blue."""

import hashlib
import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from envs.pokemon.gameboy import Gameboy, import_pyboy
from envs.pokemon.progress import World
from envs.rom_file import read_rom

VARIABLE = "POKEMON_RED_ROM"
EDITIONS = {  # SHA-1 of the cartridge
    "ea9bcae617fdf159b045185467ae58b2e4a48b9a": "Red (US)",
    "d7037c83e1ae5b39bde3c30787637ba1d4c48ce2": "Blue (US)",
}
KNOWN = " or ".join(f"{digest} ({edition})" for digest, edition in EDITIONS.items())
SIZE = 1 << 20  # bytes
TRACKED = (
    *("got_starter", "got_oaks_parcel", "got_pokedex", "beat_brock", "beat_misty", "met_bill"),
    *("got_ss_ticket", "got_hm01", "beat_lt_surge", "beat_erika", "beat_koga", "beat_sabrina"),
    *("beat_blaine", "beat_champion_rival"),
)
ENDING = "beat_champion_rival"
UNCOUNTED = ("bought_museum_ticket",)  # the museum takes it back at the door


class Cartridge(NamedTuple):
    """A game in Pokémon Red's memory layout, and its facts."""

    rom: bytes
    world: World
    start: Callable[[Gameboy], None]  # plays from power-on to the first moment of play
    seeds: tuple[int, ...]  # addresses of bytes that seed the game's random numbers
    lost: int | None  # address of a byte that is not 0 once the episode is lost; None: no such byte


def load_red_cartridge(path: str) -> Cartridge:
    """The cartridge in the file `path`; empty: in the file of the variable POKEMON_RED_ROM.

    Raises:
        ValueError: no file was given, it cannot be read or is another game, or PyBoy is missing.
    """
    rom = _checked(path or os.environ.get(VARIABLE, ""))
    return Cartridge(rom, red_world(), Gameboy.play_intro, seeds=(), lost=None)


def red_sha1(path: str) -> str:
    """The SHA-1 of the cartridge; see `load_red_cartridge` for argument and errors."""
    return hashlib.sha1(_checked(path or os.environ.get(VARIABLE, ""))).hexdigest()


def red_world() -> World:
    """Red's events, maps and badges from PyBoy's lists. Raises ValueError if it is missing."""
    import_pyboy()
    names = importlib.import_module("pyboy.plugins.game_wrapper_pokemon_gen1_constants")
    flags: dict[str, int] = names.EVENT_FLAGS
    return World(
        flags=_inverse(flags),
        maps=_inverse(names.MAPS),
        badges=_inverse(names.BADGES),
        tracked=tuple(flags[name] for name in TRACKED),
        uncounted=frozenset(flags[name] for name in UNCOUNTED),
        goal=flags[ENDING],
    )


def _checked(path: str) -> bytes:
    if not path:
        text = f"--set env.rom=<file> or {VARIABLE}=<file>, of SHA-1 {KNOWN}"
        raise ValueError(f"pokemon_red needs your own cartridge: {text}")
    rom = read_rom(Path(path), SIZE + 1)
    if len(rom) != SIZE:
        length = f"{len(rom)} bytes" if len(rom) < SIZE else "more"
        raise ValueError(f"{path} is not Pokémon Red: expected {SIZE} bytes, got {length}")
    digest = hashlib.sha1(rom).hexdigest()
    if digest not in EDITIONS:
        raise ValueError(f"{path} is not Pokémon Red: its SHA-1 is {digest}, not {KNOWN}")
    return rom


def _inverse(numbers: dict[str, int]) -> dict[int, str]:
    return {number: name for name, number in numbers.items()}
