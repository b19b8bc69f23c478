"""Where things are on the screen, from the memory of an emulator.

    env = positions.make("atari_pong", options, num_envs=8, seed=0)

The environments are those of `envs`, with further events `event/at/<thing>_x` and `_y`: pixels of
the emulator's own screen from its left and upper end, or ABSENT where the thing is not shown. For
things that are not seen where they are, the coordinates count other units: `stage_x` of Mario is
his place along the stage in pixels, `cell_x` and `cell_y` of the Game Boy's player are cells of a
map. An agent does not see events, so it plays as ever.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import ale_py
import numpy as np
from ale_py import roms
from gymnasium import spaces

import envs
from envs import atari
from envs.codecs import Actions, Observations
from envs.mario import environment as mario
from envs.pokemon import environment as pokemon
from envs.resize import resize
from envs.vector.copy_protocol import Outcome
from envs.vector.threads import ThreadCopy, pool
from envs.vector.vector import VectorizedEnv

ABSENT = -1.0
START = "event/at/"

Found = dict[str, float]  # such as ball_x


class Spot(NamedTuple):
    """Two bytes of the Atari's memory, and the pixel that stands for 0 in each of them."""

    x: int | None  # address; None for a thing that stays at `left`
    y: int | None  # the same with `top`
    left: float
    top: float


class AtariScreen(NamedTuple):
    """What moves in a game, and the part of its screen of 210 x 160 where it can be seen."""

    things: Mapping[str, Spot]
    above: int
    below: int


# Addresses are those of Anand et al. (2019); the offsets fit the objects' colors on the screen.
ATARI = {
    "pong": AtariScreen(
        things={
            "ball": Spot(49, 54, -48.5, -12.4),
            "enemy": Spot(None, 50, 17, -7.5),
            "player": Spot(None, 51, 141, -6.0),
        },
        above=34,
        below=194,
    ),
    "breakout": AtariScreen(
        things={"ball": Spot(99, 101, -48.5, 10.7), "player": Spot(72, None, -40.3, 190.5)},
        above=32,
        below=196,
    ),
}
ENEMIES = range(5)  # slots of Super Mario Bros.
# Addresses of the NES: of Mario on the screen, of the screen's left end, and of the enemies.
MARIO_X, MARIO_Y, LEFT_PAGE, LEFT_X = 0x3AD, 0xCE, 0x71A, 0x71C
ACTIVE, ENEMY_PAGE, ENEMY_X, ENEMY_Y = 0x0F, 0x6E, 0x87, 0xCF
NES_WIDTH = 256  # pixels
# Family of environments -> width and height of the emulator's screen.
SCREENS = {"atari": (160, 210), "mario": (NES_WIDTH, 240), "pokemon": (160, 144)}
# Pixels from these places to the middle of what is drawn, for small Mario and most enemies.
MARIO_MIDDLE, ENEMY_MIDDLE = (8, 24), (8, 16)
MARIO, STAGE = ("mario_x", "mario_y", "enemy_x", "enemy_y"), "stage_x"
CELL = ("cell_x", "cell_y")
OFF_SCREEN = ("stage", "cell")  # things whose coordinates are not pixels of the screen


class AtariConsole:
    """One Atari game whose memory can be read; see `envs.vector.threads.Playable`.

    It follows the settings of `envs.atari`, whose engines hide their memory.
    """

    def __init__(self, game: str, options: atari.Options):
        """ValueError for a game whose memory is not known."""
        if game not in ATARI:
            raise ValueError(f"positions are known of {', '.join(ATARI)}, not of {game!r}")
        self._screen, self._options = ATARI[game], options
        ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
        self._console = ale_py.ALEInterface()
        self._rom = str(roms.get_rom_path(game))
        self._frames = 0
        self._console.loadROM(self._rom)
        legal = self._console.getLegalActionSet()
        self.actions = legal if options.full_actions else self._console.getMinimalActionSet()

    def start(self, seed: int) -> np.ndarray:
        """Begins the episode of this seed: first observation."""
        self._console.setInt("random_seed", seed % 2**31)
        self._console.setFloat("repeat_action_probability", self._options.sticky)
        self._console.loadROM(self._rom)
        self._console.reset_game()
        for _ in range(int(np.random.default_rng(seed).integers(self._options.noops + 1))):
            self._console.act(ale_py.Action.NOOP)
        self._frames = 0
        return self._image(self._pixels())

    def step(self, action: int) -> Outcome:
        """Holds the action for four frames; each pixel is the brighter one of the last two."""
        reward, before = 0.0, self._pixels()
        for _ in range(atari.FRAMES_PER_STEP):
            before = self._pixels()
            reward += self._console.act(self.actions[action])
        self._frames += atari.FRAMES_PER_STEP
        over = bool(self._console.game_over())
        return Outcome(
            obs=self._image(np.maximum(before, self._pixels())),
            reward=reward,
            terminated=over,
            truncated=not over and self._frames >= self._options.max_frames,
            events=events(positions_of(self._console.getRAM(), self._screen)),
        )

    def close(self) -> None:
        """There is nothing to free."""

    def _pixels(self) -> np.ndarray:
        gray = self._options.gray
        found = self._console.getScreenGrayscale() if gray else self._console.getScreenRGB()
        return found[..., None] if gray else found

    def _image(self, pixels: np.ndarray) -> np.ndarray:
        side = self._options.size
        image = resize(pixels[None], side)[0] if side else pixels
        return image[..., 0] if self._options.gray else image


class KnownMario(mario.MarioGame):
    """Super Mario Bros. with the places of Mario and of the enemy nearest to him."""

    def step(self, action: int) -> Outcome:
        """See `MarioGame.step`."""
        outcome = super().step(action)
        found = around(self._emulator.ram) | {STAGE: float(self.read().x)}
        return outcome._replace(events={**outcome.events, **events(found)})


class KnownPokemon(pokemon.PokemonGame):
    """A Game Boy's cartridge with the cell of the player."""

    def step(self, action: int) -> Outcome:
        """See `PokemonGame.step`."""
        outcome, player = super().step(action), self.read().player
        at = (player.x, player.y) if player.on_map else (ABSENT, ABSENT)
        found: Found = dict(zip(CELL, map(float, at), strict=True))
        return outcome._replace(events={**outcome.events, **events(found)})


def make(name: str, options: Any, *, num_envs: int, seed: int) -> VectorizedEnv:
    """`num_envs` copies of an environment, with positions among their events.

    Args:
        name: atari_pong, atari_breakout, a stage of mario, gameboy_demo or pokemon_red.
        options: of its family, such as those of a run.
        num_envs: how many.
        seed: of the episodes.

    Raises:
        ValueError: the memory of that game is not known.
    """
    makers: dict[str, Callable[..., VectorizedEnv]] = {
        "atari": _atari,
        "mario": _mario,
        "pokemon": _pokemon,
    }
    family = envs.family(name)
    if family not in makers:
        raise ValueError(f"positions are known of {', '.join(makers)}, not of {name!r}")
    return makers[family](name, options, num_envs=num_envs, seed=seed)


def screen(name: str) -> tuple[int, int]:
    """Width and height, in pixels, of the screen that positions are told in."""
    return SCREENS[envs.family(name)]


def things(coordinates: Iterable[str]) -> list[str]:
    """The things of these coordinates that are seen where they are."""
    named = {name.rpartition("_")[0] for name in coordinates}
    return sorted(named - set(OFF_SCREEN))


def fixed(name: str) -> Found:
    """Coordinates that never change, and that no event tells."""
    spots = ATARI[name.removeprefix("atari_")].things if envs.family(name) == "atari" else {}
    rows = {f"{thing}_x": spot.left for thing, spot in spots.items() if spot.x is None}
    return rows | {f"{thing}_y": spot.top for thing, spot in spots.items() if spot.y is None}


def events(found: Found) -> Found:
    """Positions by the keys of events."""
    return {f"{START}{name}": value for name, value in found.items()}


def positions_of(ram: np.ndarray, screen: AtariScreen) -> Found:
    """Pixels of each thing of an Atari game whose memory is `ram` [128]."""
    found = Found()
    for name, spot in screen.things.items():
        x = None if spot.x is None else float(ram[spot.x]) + spot.left
        y = None if spot.y is None else float(ram[spot.y]) + spot.top
        shown = (x is None or 0 <= x < 160) and (y is None or screen.above <= y < screen.below)
        at = {f"{name}_x": x, f"{name}_y": y}
        found |= {key: value if shown else ABSENT for key, value in at.items() if value is not None}
    return found


def around(ram: memoryview) -> Found:
    """Pixels of Mario, and of the enemy nearest to him among those on the screen."""
    left = ram[LEFT_PAGE] << 8 | ram[LEFT_X]
    x, y = float(ram[MARIO_X] + MARIO_MIDDLE[0]), float(ram[MARIO_Y] + MARIO_MIDDLE[1])
    enemies = [
        (
            float((ram[ENEMY_PAGE + i] << 8 | ram[ENEMY_X + i]) - left + ENEMY_MIDDLE[0]),
            float(ram[ENEMY_Y + i] + ENEMY_MIDDLE[1]),
        )
        for i in ENEMIES
        if ram[ACTIVE + i]
    ]
    seen = [(ex, ey) for ex, ey in enemies if 0 <= ex < NES_WIDTH]
    near = min(seen, key=lambda at: abs(at[0] - x), default=(ABSENT, ABSENT))
    return dict(zip(MARIO, (x, y, *near), strict=True))


def _atari(name: str, options: atari.Options, *, num_envs: int, seed: int) -> VectorizedEnv:
    threads = pool(num_envs, "atari")
    consoles = [AtariConsole(name.removeprefix("atari_"), options) for _ in range(num_envs)]
    like = consoles[0].start(0)
    keys = consoles[0].step(0).events
    return VectorizedEnv(
        [ThreadCopy(console, threads) for console in consoles],
        Observations(spaces.Box(0, 255, like.shape, np.uint8), options.size),
        Actions(spaces.Discrete(len(consoles[0].actions))),
        seed=seed,
        frames_per_step=atari.FRAMES_PER_STEP,
        name=name,
        event_keys=tuple(keys),
    )


def _mario(name: str, options: mario.Options, *, num_envs: int, seed: int) -> VectorizedEnv:
    keys = events(dict.fromkeys((*MARIO, STAGE), 0.0))
    return mario.make(
        name, options, num_envs=num_envs, seed=seed, game=KnownMario, more_events=tuple(keys)
    )


def _pokemon(name: str, options: pokemon.Options, *, num_envs: int, seed: int) -> VectorizedEnv:
    keys = events(dict.fromkeys(CELL, 0.0))
    return pokemon.make(
        name, options, num_envs=num_envs, seed=seed, game=KnownPokemon, more_events=tuple(keys)
    )
