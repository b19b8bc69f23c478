"""Pokémon Red on the Game Boy (`pokemon_red`), and the project's own cartridge (`gameboy_demo`).

An episode begins at the first moment of play. With a curriculum it may begin at a milestone that an
earlier episode reached (see `envs.vector.frontier`). The seed adds a delay of a few frames.
"""

import dataclasses
import difflib
import math
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces

from envs.codecs import Actions, Observations
from envs.pokemon import memory
from envs.pokemon.demo_cartridge import load_demo_cartridge
from envs.pokemon.gameboy import BUTTONS, Gameboy
from envs.pokemon.memory import PokemonReading
from envs.pokemon.progress import Achieved, EpisodeProgress, event_keys
from envs.pokemon.red_cartridge import Cartridge, load_red_cartridge, red_sha1
from envs.pokemon.text import BLANK, CODES, COLUMNS, LETTERS, decode
from envs.pokemon.view import letters, observe, space
from envs.resize import check_size
from envs.vector.copy_protocol import Outcome
from envs.vector.frontier import Frontier
from envs.vector.threads import ThreadCopy, pool
from envs.vector.vector import VectorizedEnv

DEMO = "gameboy_demo"
FRAMES_PER_STEP = 24  # the player takes 16 for one step
HOLD = 8  # frames of a held button; the release keeps it apart from the next one
MAX_NAMES = 20  # listed in a message
FASTEST_TEXT = 1  # frames for each letter


@dataclasses.dataclass(frozen=True)
class PokemonRewards:
    """The weights of events (see `progress`). The reward is their weighted sum in a step."""

    flags: float = 1.0
    badges: float = 5.0
    maps: float = 0.0
    cells: float = 0.0
    explored: float = 0.25  # a new map counts 1, its hundredth cell a twentieth
    levels: float = 0.05
    healed: float = 0.2
    seen: float = 0.1
    owned: float = 0.2
    blackouts: float = -0.1
    success: float = 1.0


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the Pokémon family."""

    rom: str = ""  # file of Pokémon Red or Blue (US); empty: the variable POKEMON_RED_ROM
    # Pixels; side of the square screen; at 80 a pixel is the mean of 2 x 2; 0: 144 x 160 as it is.
    size: int = 80
    steps: int = 8_192  # steps after which an episode is truncated
    steps_per_milestone: int = 0  # more steps for each event, badge and map reached
    wait: int = 60  # most frames without action before an episode; drawn from its seed
    buttons: str = " ".join(BUTTONS)  # of actions; without start, no agent gets lost in its menu
    skip_scripts: bool = True  # press A instead of the action while the game ignores buttons
    hide_text: bool = False  # for comparisons: hides text in memory and on the screen
    curriculum: float = 0.0  # share of the episodes that begin at milestones of earlier ones
    goal: str = ""  # event of success, which ends an episode; empty: the game's ending
    rewards: PokemonRewards = dataclasses.field(default_factory=PokemonRewards)


class SavedState(NamedTuple):
    """The state of an episode, where later ones may begin."""

    machine: bytes
    achieved: Achieved


class PokemonGame:
    """One emulator that plays episodes; see `envs.vector.threads.Playable`."""

    def __init__(self, cartridge: Cartridge, options: Options):
        self._cartridge = cartridge
        self._options = options
        self._buttons = buttons(options)
        self._events = sorted(cartridge.world.flags)
        self._gameboy = Gameboy(cartridge.rom)
        self._beginning = b""
        self._state: SavedState | None = None

    def play_intro(self) -> bytes:
        """Plays the intro up to the first moment of play; returns that state."""
        self._cartridge.start(self._gameboy)
        speed = self._gameboy.read(memory.OPTIONS) & 0xF8 | FASTEST_TEXT
        self._gameboy.write(memory.OPTIONS, speed)
        return self._gameboy.save()

    def begin_at(self, beginning: bytes) -> None:
        """Sets the state of the first moment of play."""
        self._beginning = beginning

    def start_from(self, state: SavedState | None) -> None:
        """See `envs.vector.frontier.Startable`."""
        self._state = state

    def start(self, seed: int) -> dict[str, Any]:
        """Loads the starting state; the seed sets the game's random bytes and the delay."""
        random, world = np.random.default_rng(seed), self._cartridge.world
        self._gameboy.load(self._state.machine if self._state else self._beginning)
        self._covered = letters(self.read().tiles)
        for address in self._cartridge.seeds:
            self._gameboy.write(address, int(random.integers(256)))
        self._gameboy.wait(1 + int(random.integers(self._options.wait + 1)))
        self._length = 0
        self._reading = now = self.read()
        past = self._state.achieved if self._state else None
        self._progress = (
            EpisodeProgress.after(past, now, world) if past else EpisodeProgress(now, world)
        )
        return self._observe()

    def step(self, action: int) -> Outcome:
        """Presses the button of this index, or A while the game ignores buttons."""
        button, options = self._buttons[action], self._options
        if options.skip_scripts and self._reading.buttons_ignored:
            button = "a"
        self._gameboy.press(button, hold=HOLD, frames=FRAMES_PER_STEP)
        self._reading = self.read()
        events, milestones = self._progress.update(self._reading)
        self._length += 1
        longest = options.steps + options.steps_per_milestone * self._progress.milestones
        weights = dataclasses.asdict(options.rewards)
        return Outcome(
            obs=self._observe(),
            reward=sum(weight * events[f"event/{name}"] for name, weight in weights.items()),
            terminated=bool(self._reading.flags[self._cartridge.world.goal]) or self._lost(),
            truncated=self._length >= longest,
            events=events,
            milestones=milestones,
            state=self._here() if milestones and options.curriculum else None,
        )

    def close(self) -> None:
        """Switches the emulator off."""
        self._gameboy.close()

    def _here(self) -> SavedState:
        return SavedState(self._gameboy.save(), self._progress.achieved())

    def _lost(self) -> bool:
        address = self._cartridge.lost
        return address is not None and self._gameboy.read(address) != 0

    def read(self) -> PokemonReading:
        """Reads the console's memory."""
        return memory.read(self._gameboy.work_ram(memory.RANGES))

    def _observe(self) -> dict[str, Any]:
        reading, screen = self._reading, self._gameboy.screen()
        if self._options.hide_text:
            # The screen lags memory by up to 3 frames: it may show letters of the step before.
            covered, self._covered = self._covered, letters(reading.tiles)
            screen[covered | self._covered] = 255
            reading = reading._replace(tiles=np.full_like(reading.tiles, BLANK))
        visited = self._progress.around(reading.player)
        return observe(screen, visited, reading, side=self._options.size, events=self._events)


def make(
    name: str,
    options: Options,
    *,
    num_envs: int,
    seed: int,
    game: type[PokemonGame] = PokemonGame,
    more_events: tuple[str, ...] = (),
) -> VectorizedEnv:
    """Makes `num_envs` copies of the game `name`; `envs.pokemon.view.space` has its observations.

    `game` may tell events besides the usual ones: `more_events`.

    Raises:
        ValueError: PyBoy or the ROM is missing, the ROM is another game, or an option is out of
            range.
    """
    _check(options)
    if name == DEMO and options.rom:
        raise ValueError(f"rom={options.rom}: {DEMO} has its own cartridge; use pokemon_red")
    cartridge = load_demo_cartridge() if name == DEMO else load_red_cartridge(options.rom)
    return make_for_cartridge(
        with_goal(cartridge, options.goal),
        options,
        num_envs=num_envs,
        seed=seed,
        name=name,
        game=game,
        more_events=more_events,
    )


def make_for_cartridge(
    cartridge: Cartridge,
    options: Options,
    *,
    num_envs: int,
    seed: int,
    name: str = "pokemon",
    game: type[PokemonGame] = PokemonGame,
    more_events: tuple[str, ...] = (),
) -> VectorizedEnv:
    """Makes `num_envs` copies of a cartridge, stepped by threads: PyBoy releases Python's lock.

    The intro is played once, in memory. `name` is for messages; `game` and `more_events` as above.
    """
    games = [game(cartridge, options) for _ in range(num_envs)]
    try:
        start = games[0].play_intro()
    except ValueError:
        for each in games:
            each.close()
        raise
    for each in games:
        each.begin_at(start)
    actions = Actions(spaces.Discrete(len(buttons(options))))
    share, threads = options.curriculum, pool(num_envs, "gameboy")
    return VectorizedEnv(
        [ThreadCopy(each, threads) for each in games],
        Observations(space(options.size, len(cartridge.world.flags)), options.size),
        actions,
        seed=seed,
        frames_per_step=FRAMES_PER_STEP,
        name=name,
        event_keys=(*event_keys(cartridge.world), *more_events),
        frontier=Frontier(share, games, actions.spaces) if share else None,
    )


def with_goal(cartridge: Cartridge, goal: str) -> Cartridge:
    """The cartridge with the event `goal` as success; unchanged if `goal` is empty.

    Raises:
        ValueError: the game has no event of this name, or the event does not count.
    """
    if not goal:
        return cartridge
    flags = {name: flag for flag, name in cartridge.world.flags.items()}
    if flags.get(goal) in cartridge.world.uncounted:
        raise ValueError(f"goal {goal!r} does not count as an event, since it can be undone")
    if goal not in flags:
        few = sorted(flags) if len(flags) <= MAX_NAMES else []
        close = difflib.get_close_matches(goal, flags, n=3) or few
        hint = f"such as {', '.join(close)}" if close else f"there are {len(flags)}"
        raise ValueError(f"goal {goal!r} is not an event of the game ({hint})")
    return cartridge._replace(world=cartridge.world._replace(goal=flags[goal]))


def action_names(name: str, options: Options) -> tuple[str, ...]:
    """See `envs.action_names`."""
    del name
    return buttons(options)


def files(name: str, options: Options) -> dict[str, str]:
    """See `envs.files`; the project's own cartridge is no file."""
    return {} if name == DEMO else {"env.rom": red_sha1(options.rom)}


def buttons(options: Options) -> tuple[str, ...]:
    """The button of each action, in the order of `BUTTONS`; ValueError for others."""
    chosen = options.buttons.split()
    if not chosen or set(chosen) - set(BUTTONS) or len(set(chosen)) < len(chosen):
        raise ValueError(
            f"buttons={options.buttons!r}: expected some of {', '.join(BUTTONS)}, each once, "
            "separated by spaces"
        )
    return tuple(button for button in BUTTONS if button in chosen)


def caption(obs: dict[str, np.ndarray]) -> str:
    """The text on the screen; see `envs.caption`."""
    return decode(obs["text"][0])


def glyphs() -> tuple[list[str], int]:
    """The letters of each tile, and tiles in a row; see `envs.glyphs`."""
    return [LETTERS.get(code, " ") for code in range(CODES)], COLUMNS


def _check(options: Options) -> None:
    check_size(options.size)
    buttons(options)
    for field, least in (("steps", 1), ("steps_per_milestone", 0), ("wait", 0)):
        value = getattr(options, field)
        if value < least:
            raise ValueError(f"{field} must be at least {least}, got {value}")
    if not 0 <= options.curriculum <= 1:
        raise ValueError(f"curriculum must be from 0 to 1, got {options.curriculum}")
    for field, weight in dataclasses.asdict(options.rewards).items():
        if not math.isfinite(weight):
            raise ValueError(f"rewards.{field} must be finite, got {weight}")
