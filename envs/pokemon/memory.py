"""Reads Pokémon Red's memory.

Addresses are those of the US versions of Red and Blue. Numbers of two bytes have the high byte
first. Entries past the end of a list are outdated and never read.
"""

from typing import NamedTuple

import numpy as np

from envs.pokemon.gameboy import WORK_RAM

TILES = 0xC3A0  # 360 codes, the screen row by row
FACING = 0xC109  # 0 down, 4 up, 8 left, 12 right
CURSOR, LAST_ITEM = 0xCC26, 0xCC28  # of the menu
IGNORED_BUTTONS = 0xCD6B
ENEMY_HP, ENEMY_LEVEL, ENEMY_MAX_HP = 0xCFE6, 0xCFF3, 0xCFF4
OWN_HP, OWN_LEVEL, OWN_MAX_HP = 0xD015, 0xD022, 0xD023
BATTLE = 0xD057  # 0 none, 1 wild, 2 trainer, 255 lost
PARTY_COUNT, PARTY_SPECIES, PARTY = 0xD163, 0xD164, 0xD16B
OWNED, SEEN = 0xD2F7, 0xD30A  # a bit for each number of the Pokédex
BAG_COUNT, BAG = 0xD31D, 0xD31E  # pairs of item and quantity
MONEY = 0xD347  # two decimal digits in each of three bytes
OPTIONS = 0xD355  # the low three bits: frames for each letter
BADGES = 0xD356  # a bit for each
MAP, Y, X = 0xD35E, 0xD361, 0xD362
MAP_HEIGHT, MAP_WIDTH = 0xD368, 0xD369  # blocks of 2 x 2 cells
FLAGS = 0xD747  # a bit for each event, 320 bytes

TILE_COUNT, FLAG_BYTES, DEX_BYTES = 360, 320, 19
MOST_MEMBERS, MEMBER_BYTES = 6, 44
MOST_ITEMS = 20
LEVEL, MAX_HP, HP, TYPES = 0x21, 0x22, 0x01, 0x05  # within a member of the party

RANGES = (  # (start, stop) of all addresses read below
    (FACING, FACING + 1),
    (TILES, TILES + TILE_COUNT),
    (CURSOR, LAST_ITEM + 1),
    (IGNORED_BUTTONS, IGNORED_BUTTONS + 1),
    (ENEMY_HP, BATTLE + 1),
    (PARTY_COUNT, MAP_WIDTH + 1),
    (FLAGS, FLAGS + FLAG_BYTES),
)


class PlayerPosition(NamedTuple):
    """The player's position. `x` and `y` count cells, one step each, on each map."""

    map: int
    x: int
    y: int
    facing: int  # 0 down, 1 up, 2 left, 3 right
    on_map: bool  # False while a change of maps leaves the cell outside the new map


class Member(NamedTuple):
    """One Pokémon of the party."""

    species: int  # the game's internal number, not that of the Pokédex
    hp: int
    max_hp: int
    level: int
    types: tuple[int, int]


class Fighter(NamedTuple):
    """A Pokémon in battle."""

    hp: int
    max_hp: int
    level: int


class Battle(NamedTuple):
    """The battle; both fighters are zeros outside battles."""

    kind: int  # 0 none, 1 wild, 2 trainer, 3 lost
    own: Fighter
    enemy: Fighter


class PokemonReading(NamedTuple):
    """The state of the game at one frame."""

    tiles: np.ndarray  # [360] uint8, see `envs.pokemon.text`
    player: PlayerPosition
    party: tuple[Member, ...]
    bag: dict[int, int]  # item -> quantity
    money: int
    badges: int  # a bit for each, the lowest first
    owned: int  # Pokémon caught, of the Pokédex
    seen: int
    flags: np.ndarray  # [2560] bool, the events of the story
    battle: Battle
    menu: tuple[int, int]  # item at the cursor and last item of the newest menu, counted from 0
    buttons_ignored: bool  # a script masks some buttons


def read(ram: bytes) -> PokemonReading:
    """Reads the state from the 8 KiB of work RAM; only `RANGES` are used."""
    return PokemonReading(
        tiles=_bytes(ram, TILES, TILE_COUNT),
        player=_player(ram),
        party=_party(ram),
        bag=_bag(ram),
        money=_decimal(_bytes(ram, MONEY, 3)),
        badges=_byte(ram, BADGES),
        owned=_ones(ram, OWNED),
        seen=_ones(ram, SEEN),
        flags=np.unpackbits(_bytes(ram, FLAGS, FLAG_BYTES), bitorder="little").astype(bool),
        battle=_battle(ram),
        menu=(_byte(ram, CURSOR), _byte(ram, LAST_ITEM)),
        buttons_ignored=_byte(ram, IGNORED_BUTTONS) != 0,
    )


def _player(ram: bytes) -> PlayerPosition:
    x, y = _byte(ram, X), _byte(ram, Y)
    height, width = _byte(ram, MAP_HEIGHT), _byte(ram, MAP_WIDTH)
    return PlayerPosition(
        map=_byte(ram, MAP),
        x=x,
        y=y,
        facing=_byte(ram, FACING) >> 2 & 3,
        on_map=x < 2 * width and y < 2 * height,
    )


def _party(ram: bytes) -> tuple[Member, ...]:
    count = min(_byte(ram, PARTY_COUNT), MOST_MEMBERS)
    return tuple(_member(ram, i) for i in range(count))


def _member(ram: bytes, index: int) -> Member:
    start = PARTY + MEMBER_BYTES * index
    return Member(
        species=_byte(ram, PARTY_SPECIES + index),
        hp=_word(ram, start + HP),
        max_hp=_word(ram, start + MAX_HP),
        level=_byte(ram, start + LEVEL),
        types=(_byte(ram, start + TYPES), _byte(ram, start + TYPES + 1)),
    )


def _bag(ram: bytes) -> dict[int, int]:
    count = min(_byte(ram, BAG_COUNT), MOST_ITEMS)
    pairs = _bytes(ram, BAG, 2 * count).reshape(count, 2).tolist()
    items: dict[int, int] = {}
    for item, quantity in pairs:  # an item beyond the limit of a pair has two
        items[item] = items.get(item, 0) + quantity
    return items


def _battle(ram: bytes) -> Battle:
    kind = min(_byte(ram, BATTLE), 3)
    if kind not in (1, 2):
        none = Fighter(0, 0, 0)
        return Battle(kind, none, none)
    own = Fighter(_word(ram, OWN_HP), _word(ram, OWN_MAX_HP), _byte(ram, OWN_LEVEL))
    enemy = Fighter(_word(ram, ENEMY_HP), _word(ram, ENEMY_MAX_HP), _byte(ram, ENEMY_LEVEL))
    return Battle(kind, own, enemy)


def _decimal(digits: np.ndarray) -> int:
    """Binary-coded decimals: 00 30 99 is 3,099."""
    return int(
        sum(100**i * (10 * (b >> 4) + (b & 15)) for i, b in enumerate(digits[::-1].tolist()))
    )


def _ones(ram: bytes, start: int) -> int:
    return int(np.unpackbits(_bytes(ram, start, DEX_BYTES)).sum())


def _byte(ram: bytes, address: int) -> int:
    return ram[address - WORK_RAM.start]


def _word(ram: bytes, address: int) -> int:
    return 256 * _byte(ram, address) + _byte(ram, address + 1)


def _bytes(ram: bytes, address: int, count: int) -> np.ndarray:
    return np.frombuffer(ram, np.uint8, count, address - WORK_RAM.start)
