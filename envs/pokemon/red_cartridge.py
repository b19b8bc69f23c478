"""The user's own cartridge of Pokémon Red or Blue: found, checked, named and started."""

import hashlib
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
SIZE = 1 << 20  # bytes
TRACKED = (
    *("got_starter", "got_oaks_parcel", "got_pokedex", "beat_brock", "beat_misty", "met_bill"),
    *("got_ss_ticket", "got_hm01", "beat_lt_surge", "beat_erika", "beat_koga", "beat_sabrina"),
    *("beat_blaine", "beat_champion_rival"),
)
ENDING = "beat_champion_rival"
UNCOUNTED = ("bought_museum_ticket",)  # the museum takes it back at the door


class Cartridge(NamedTuple):
    """A game in Pokémon Red's memory layout, and what is known of it."""

    rom: bytes
    world: World
    start: Callable[[Gameboy], None]  # plays from power-on to the first moment of play
    seeds: tuple[int, ...]  # addresses of bytes that chance starts from, where there are any
    lost: int | None  # address of a byte that is not 0 once nothing can be won any more


def load_red_cartridge(path: str) -> Cartridge:
    """The cartridge in the file `path`, or in that of the environment variable if it is empty.

    Raises ValueError in one line: no file given, not readable, another game, PyBoy missing.
    """
    rom = _checked(path or os.environ.get(VARIABLE, ""))
    return Cartridge(rom, red_world(), Gameboy.play_intro, seeds=(), lost=None)


def red_world() -> World:
    """Red's events, maps and badges, by the lists that PyBoy has; ValueError if it is missing."""
    import_pyboy()
    from pyboy.plugins import game_wrapper_pokemon_gen1_constants as names

    flags = names.EVENT_FLAGS
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
        raise ValueError(
            f"pokemon_red needs your own cartridge: --set env.rom=<file> or {VARIABLE}=<file>"
        )
    rom = read_rom(Path(path), SIZE + 1)
    if len(rom) != SIZE:
        length = f"{len(rom)} bytes" if len(rom) < SIZE else "more"
        raise ValueError(f"{path} is not Pokémon Red: that has {SIZE} bytes, this has {length}")
    digest = hashlib.sha1(rom).hexdigest()
    if digest not in EDITIONS:
        known = " or ".join(f"{edition} {sha}" for sha, edition in EDITIONS.items())
        raise ValueError(f"{path} is not Pokémon Red: its SHA-1 is {digest}, not {known}")
    return rom


def _inverse(numbers: dict[str, int]) -> dict[int, str]:
    return {number: name for name, number in numbers.items()}
