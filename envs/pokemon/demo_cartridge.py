"""The project's own cartridge for the environment; see `envs.pokemon.cartridge.build`."""

from envs.pokemon.cartridge import build as game
from envs.pokemon.gameboy import Gameboy
from envs.pokemon.progress import World
from envs.pokemon.red_cartridge import Cartridge

RADIO = 104  # can be switched on and off repeatedly
BADGES = {0: "flint", 1: "iris"}  # bit -> name of the leader


def load_demo_cartridge() -> Cartridge:
    """Builds the cartridge from its sources."""
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
