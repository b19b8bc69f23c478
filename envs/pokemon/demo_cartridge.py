"""The project's own cartridge as an environment needs it; see `envs.pokemon.cartridge.build`."""

from envs.pokemon.cartridge import build as game
from envs.pokemon.gameboy import Gameboy
from envs.pokemon.progress import World
from envs.pokemon.red_cartridge import Cartridge

RADIO = 104  # can be switched on and off for ever
BADGES = {0: "flint", 1: "iris"}  # by who gives them


def load_demo_cartridge() -> Cartridge:
    """The cartridge, built from its sources."""
    world = World(
        flags=game.EVENTS,
        maps=game.MAPS,
        badges=BADGES,
        tracked=tuple(flag for flag in game.EVENTS if flag != RADIO),
        uncounted=frozenset({RADIO}),
        goal=game.THE_END,
    )
    seeds = (game.SEED, game.SEED + 1)
    return Cartridge(game.build().rom, world, _start, seeds, lost=game.GATE_SHUT)


def _start(gameboy: Gameboy) -> None:
    gameboy.wait(game.READY_FRAMES)
