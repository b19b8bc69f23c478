"""Atari 2600 games through the Arcade Learning Environment: `atari_<rom>`.

An engine is an `AtariVectorEnv` with a single game. It steps in its own thread, outside Python.
Seeding an engine reloads its cartridge, which takes as long as hundreds of steps. So each copy has
two engines: while one plays, the other loads the next episode. Both are slow to make, so the thread
that loads the first episode makes them.
"""

import dataclasses
import difflib
import functools
import re
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import ale_py
import numpy as np
from ale_py import roms
from ale_py.vector_env import AtariVectorEnv
from gymnasium import spaces

from envs.codecs import Actions, Observations
from envs.resize import check_size
from envs.vector.copy_protocol import Outcome
from envs.vector.threads import pool
from envs.vector.vector import VectorizedEnv

FRAMES_PER_STEP = 4  # each action is held for four frames, as in the literature


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the Atari family."""

    size: int = 64  # pixels; side of the square image; 0: the screen as it is, such as 210 x 160
    gray: bool = False  # one channel of brightness instead of red, green and blue
    sticky: float = 0.25  # probability that a frame repeats the previous action instead
    full_actions: bool = True  # all 18 joystick positions instead of the game's minimal set
    noops: int = (
        30  # an episode begins after 0 to this many frames without action, drawn from its seed
    )
    max_frames: int = 108_000  # frames after which an episode is truncated; 30 minutes of play


class AtariGame:
    """One game as a `EnvCopy` (see `envs.vector.copy_protocol`)."""

    def __init__(self, rom: str, options: Options, loaders: ThreadPoolExecutor):
        self._make = functools.partial(_engine, rom, options)
        self._engines: list[AtariVectorEnv] = []  # the one that plays, then the one that loads
        self._loaders = loaders
        self._loaded: Future[np.ndarray] | None = None
        self._seed: int | None = None  # of the loaded episode

    def prepare(self, seed: int) -> None:
        """Lets a thread load the episode into the idle engine."""
        if self._loaded is not None:
            if seed == self._seed:
                return
            self._loaded.result()  # an engine must not be in two threads at once
        self._seed = seed
        self._loaded = self._loaders.submit(self._load, seed)

    def begin(self) -> Any:
        """Switches to the engine with the prepared episode."""
        assert self._loaded is not None, "prepare comes before begin"
        obs, self._loaded = self._loaded.result(), None
        self._engines.reverse()
        return obs

    def send(self, action: int) -> None:
        """Starts the step in the engine's thread."""
        self._engines[0].send(np.array([action], np.int32))

    def receive(self) -> Outcome:
        """Waits for the end of the step."""
        obs, reward, terminated, truncated, _ = self._engines[0].recv()
        return Outcome(obs[0, 0], float(reward[0]), bool(terminated[0]), bool(truncated[0]))

    def restart(self) -> None:
        """Never called: a failure of the emulator ends the process."""

    def close(self) -> None:
        """Stops the engines and the threads that load them."""
        self._loaders.shutdown(cancel_futures=True)
        for engine in self._engines:
            engine.close()

    def _load(self, seed: int) -> np.ndarray:
        if not self._engines:
            self._engines = [self._make(), self._make()]
        obs, _ = self._engines[1].reset(seed=np.array([seed]))
        return obs[0, 0]


def make(name: str, options: Options, *, num_envs: int, seed: int) -> VectorizedEnv:
    """Makes `num_envs` copies of the game `atari_<rom>`; observation keys: 'image'.

    Raises:
        ValueError: the ROM is unknown or an option is out of range.
    """
    rom = name.removeprefix("atari_")
    _check(rom, options)
    loaders = pool(num_envs, "atari-loader")
    games = [AtariGame(rom, options, loaders) for _ in range(num_envs)]
    shape = _shape(rom, options) if options.gray else (*_shape(rom, options), 3)
    return VectorizedEnv(
        games,
        Observations(spaces.Box(0, 255, shape, np.uint8), options.size),
        Actions(spaces.Discrete(len(action_names(name, options)))),
        seed=seed,
        frames_per_step=FRAMES_PER_STEP,
        name=name,
    )


def action_names(name: str, options: Options) -> tuple[str, ...]:
    """See `envs.action_names`; the names are the emulator's joystick positions and fire button."""
    engine = _loaded(name.removeprefix("atari_"))
    actions = engine.getLegalActionSet() if options.full_actions else engine.getMinimalActionSet()
    names = [re.sub("(UP|DOWN|LEFT|RIGHT|FIRE)(?!$)", r"\1+", action.name) for action in actions]
    return tuple(name.lower() for name in names)


def _check(rom: str, options: Options) -> None:
    known = roms.get_all_rom_ids()
    if rom not in known:
        close = difflib.get_close_matches(rom.lower(), known, n=3, cutoff=0.5)
        hint = f"close: {', '.join(close)}" if close else f"there are {len(known)} in ale-py"
        raise ValueError(f"unknown Atari ROM {rom!r} ({hint})")
    # The emulator ends the whole process for a two-player ROM.
    if not ale_py.ALEInterface.isSupportedROM(str(roms.get_rom_path(rom))):
        raise ValueError(f"Atari ROM {rom!r} is for two players only; ale-py cannot play it")
    check_size(options.size)
    if not 0 <= options.sticky < 1:
        raise ValueError(f"sticky must be at least 0 and below 1, got {options.sticky}")
    if options.noops < 0:
        raise ValueError(f"noops must not be negative, got {options.noops}")
    if options.max_frames < FRAMES_PER_STEP:
        raise ValueError(f"max_frames must be at least {FRAMES_PER_STEP}, got {options.max_frames}")


def _loaded(rom: str) -> ale_py.ALEInterface:
    """An engine that tells about a game."""
    # Each engine would print a banner, which would bury the run's own messages.
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    engine = ale_py.ALEInterface()
    engine.loadROM(str(roms.get_rom_path(rom)))
    return engine


def _shape(rom: str, options: Options) -> tuple[int, int]:
    """Height and width of the image."""
    if options.size:
        return options.size, options.size
    height, width = _loaded(rom).getScreenDims()
    return height, width


def _engine(rom: str, options: Options) -> AtariVectorEnv:
    height, width = _shape(rom, options)
    return AtariVectorEnv(
        rom,
        num_envs=1,
        num_threads=1,
        max_num_frames_per_episode=options.max_frames,
        repeat_action_probability=options.sticky,
        full_action_space=options.full_actions,
        img_height=height,
        img_width=width,
        grayscale=options.gray,
        stack_num=1,
        frameskip=FRAMES_PER_STEP,
        maxpool=True,
        noop_max=options.noops,
        episodic_life=False,
        reward_clipping=False,
        use_fire_reset=False,
    )
