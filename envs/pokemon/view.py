"""The observations of Pokémon Red and their units."""

from typing import Any

import numpy as np
from gymnasium import spaces

from envs.kinds import Text
from envs.pokemon.gameboy import HEIGHT, WIDTH
from envs.pokemon.memory import MOST_MEMBERS, TILE_COUNT, Fighter, PokemonReading
from envs.pokemon.progress import AROUND
from envs.pokemon.text import CODES, COLUMNS, LETTERS_FROM, ROWS, visible
from envs.resize import resize

LAST_TYPE = 26  # dragon
TYPES = LAST_TYPE + 2  # classes of a type; 0 is none
NUMBERS = 9 + 2 * MOST_MEMBERS
TILE = 8  # pixels


def space(side: int, events: int) -> spaces.Dict:
    """The observation space of a game with `events` events and a screen of `side` pixels.

    'screen': its proportions kept, black above and below; at 80 pixels each is a mean of 2 x 2. At
    0 pixels it is as the console has it.
    'visited': the visited cells around the player. 'text': the codes of the text on screen, row
    by row (`envs.pokemon.text`). 'numbers': see `numbers`. 'bag': ln(1 + n) of each kind of item.
    'map' and 'facing': of the player. 'types': two of each party member, 0 for an empty place.
    'badges'. 'events': the story so far, in the order of its flags. 'battle': none, wild, trainer
    or lost.
    """
    return spaces.Dict(
        {
            "screen": spaces.Box(0, 255, (side or HEIGHT, side or WIDTH, 1), np.uint8),
            "visited": spaces.Box(0, 255, (AROUND, AROUND, 1), np.uint8),
            "text": Text(TILE_COUNT, CODES),
            "numbers": spaces.Box(-np.inf, np.inf, (NUMBERS,), np.float32),
            "bag": spaces.Box(0, np.inf, (256,), np.float32),
            "map": spaces.Discrete(256),
            "facing": spaces.Discrete(4),
            "types": spaces.MultiDiscrete([TYPES] * (2 * MOST_MEMBERS)),
            "badges": spaces.MultiBinary(8),
            "events": spaces.MultiBinary(events),
            "battle": spaces.Discrete(4),
        }
    )


def observe(
    screen: np.ndarray,
    visited: np.ndarray,
    reading: PokemonReading,
    *,
    side: int,
    events: list[int],
) -> dict[str, Any]:
    """One element of `space(side, len(events))`.

    Args:
        screen: [144, 160] uint8.
        visited: [48, 48, 1] uint8.
        reading: the state of the game.
        side: pixels of the screen in the observation; 0 for the screen as it is.
        events: the flags of the events.
    """
    bag = np.zeros(256, np.float32)
    bag[list(reading.bag)] = np.log1p(list(reading.bag.values()))
    types = np.zeros((MOST_MEMBERS, 2), np.int64)
    for i, member in enumerate(reading.party):
        types[i] = np.minimum(member.types, LAST_TYPE) + 1
    return {
        "screen": shrink(screen, side),
        "visited": visited,
        "text": visible(reading.tiles),
        "numbers": numbers(reading),
        "bag": bag,
        "map": reading.player.map,
        "facing": reading.player.facing,
        "types": types.ravel(),
        "badges": np.unpackbits(np.array([reading.badges], np.uint8), bitorder="little"),
        "events": reading.flags[events].astype(np.int8),
        "battle": reading.battle.kind,
    }


def numbers(reading: PokemonReading) -> np.ndarray:
    """[21] float32, each of the order of 1.

    The position in screens (10 cells across, 9 down); log10 of the money; Pokémon seen and owned in
    tens; then of the own fighter, the enemy and each party member: the level in tens and the share
    of health left.
    """
    player, battle = reading.player, reading.battle
    values = [player.x / 10, player.y / 9, np.log10(1 + reading.money)]
    values += [reading.seen / 10, reading.owned / 10]
    members = [Fighter(m.hp, m.max_hp, m.level) for m in reading.party]
    for fighter in (battle.own, battle.enemy, *members):
        values += [fighter.level / 10, min(1.0, fighter.hp / max(1, fighter.max_hp))]
    return np.array(values + [0.0] * (NUMBERS - len(values)), np.float32)


def shrink(screen: np.ndarray, side: int) -> np.ndarray:
    """[144, 160] uint8 -> [side, side, 1] with black bars, to keep the proportions.

    Side 0 keeps the screen as it is: [144, 160, 1].
    """
    if not side:
        return screen[..., None]
    bar = (WIDTH - HEIGHT) // 2
    square = np.pad(screen, ((bar, bar), (0, 0)))
    return resize(square[None, :, :, None], side)[0]


def letters(tiles: np.ndarray) -> np.ndarray:
    """[360] uint8 tiles of a reading -> [144, 160] bool, the pixels of letters."""
    written = (visible(tiles) >= LETTERS_FROM).reshape(ROWS, COLUMNS)
    return np.repeat(np.repeat(written, TILE, 0), TILE, 1)
