"""Super Mario Bros.: `mario_<world>_<stage>` for a single stage, `mario` for the whole game.

Each copy is a console, stepped by a thread. The emulator releases Python's lock. A step costs about
as much CPU time as in a process, and starting 16 copies costs a third of it.
"""

import dataclasses
import re

import numpy as np
from gymnasium import spaces

from envs.codecs import Actions, Observations
from envs.mario import memory, nes, rom
from envs.mario.memory import MarioReading
from envs.mario.nes import LEFT, RIGHT, A, B, Emulator
from envs.resize import check_side, resize
from envs.vector.copy_protocol import Outcome
from envs.vector.threads import ThreadCopy, pool
from envs.vector.vector import VectorizedEnv

FRAMES_PER_STEP = 4  # each action is held for four frames, as in the literature
MAX_GAIN = 64  # pixels a step; Mario runs 10, and platforms are slower

RIGHT_ONLY = (0, RIGHT, RIGHT | A, RIGHT | B, RIGHT | A | B)
SIMPLE = (*RIGHT_ONLY, A, LEFT)
COMPLEX = (*SIMPLE, LEFT | A, LEFT | B, LEFT | A | B, nes.DOWN, nes.UP)
BUTTONS = {LEFT: "left", RIGHT: "right", nes.UP: "up", nes.DOWN: "down", A: "a", B: "b"}
ACTIONS = {"right_only": RIGHT_ONLY, "simple": SIMPLE, "complex": COMPLEX}  # buttons of each action


@dataclasses.dataclass(frozen=True)
class MarioRewards:
    """The weights of events. The reward is the sum of a step's events, each times its weight."""

    x: float = 0.1  # a pixel beyond the furthest place so far in this part of the stage
    coins: float = 0.0
    score: float = 0.0  # a point of the game's score; it grows in tens
    time: float = 0.0  # an elapsed unit of the game's clock, 24 frames
    flag: float = 50.0  # the end of a stage; stage 1-1 is 3,161 pixels long
    death: float = 0.0
    success: float = 0.0  # the goal of the episode


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the Mario family."""

    size: int = 64  # pixels; side of the square image
    actions: str = "right_only"  # or simple (adds jump and left), or complex (12 actions)
    start: str = ""  # first stage of the whole game, such as 4-1; for `mario` only
    noops: int = 30  # most frames without action before an episode; drawn from its seed
    max_steps: int = 0  # steps after which an episode is truncated; 0: the game's clock ends it
    rom: str = ""  # path of your own ROM; empty: that of gym-super-mario-bros
    rewards: MarioRewards = dataclasses.field(default_factory=MarioRewards)


EVENTS = tuple(f"event/{field.name}" for field in dataclasses.fields(MarioRewards))


class MarioGame:
    """One console that plays episodes; see `envs.vector.threads.Playable`.

    An episode ends with the first lost life or with success: the end of the stage, or, in the
    whole game, the end of the last stage. An episode of one stage also ends, without success, where
    a warp pipe leads out of it: a flag elsewhere is not that of this stage.
    """

    def __init__(self, emulator: Emulator, stage: tuple[int, int], whole: bool, options: Options):
        self.action_space = spaces.Discrete(len(ACTIONS[options.actions]))
        self._emulator = emulator
        self._stage = stage
        self._whole = whole
        self._options = options
        self._weights = dataclasses.asdict(options.rewards)
        memory.enter_stage(emulator, *stage)
        emulator.keep()
        self._begin()

    def start(self, seed: int) -> np.ndarray:
        """Begins an episode; the seed determines the number of initial frames without action."""
        self._emulator.restore()
        noops = np.random.default_rng(seed).integers(self._options.noops + 1)
        for _ in range(1 + int(noops)):
            self._emulator.frame(0)
        self._begin()
        return self._image(self._emulator.screen())

    def step(self, action: int) -> Outcome:
        """Holds the buttons for four frames, then plays any scene that ignores buttons."""
        emulator, buttons = self._emulator, ACTIONS[self._options.actions][action]
        for _ in range(FRAMES_PER_STEP - 1):
            emulator.frame(buttons)
        before = emulator.screen()
        emulator.frame(buttons)
        # Many sprites on one line flicker: each is drawn only in some frames.
        screen = np.maximum(before, emulator.screen())
        self._steps += 1
        played = self.read()
        won = played.cleared and (not self._whole or _is_last_stage(played))
        terminated = won or played.dead
        now = played
        if not terminated and not played.playable:
            now = self._watch()
            screen = emulator.screen()
            terminated = not self._whole and _stage(now) != self._stage  # through a warp pipe
        events = self._events(played, now, won)
        reward = sum(weight * events[f"event/{name}"] for name, weight in self._weights.items())
        truncated = not terminated and self._steps == self._options.max_steps
        return Outcome(self._image(screen), reward, terminated, truncated, events)

    def read(self) -> MarioReading:
        """Reads the console's memory."""
        return memory.read(self._emulator.ram)

    def close(self) -> None:
        """Frees the console."""
        self._emulator.close()

    def _begin(self) -> None:
        self._steps = 0
        self._last = self.read()
        self._furthest: dict[tuple[int, int, int], int] = {_part(self._last): self._last.x}

    def _watch(self) -> MarioReading:
        """Runs the console until Mario can be controlled again."""
        for _ in range(memory.LONGEST_SCENE):
            self._emulator.frame(0)
            if (reading := self.read()).playable:
                return reading
        raise RuntimeError(f"the game does not continue: {self.read()}")

    def _events(self, played: MarioReading, now: MarioReading, won: bool) -> dict[str, float]:
        """The events since the last step.

        Args:
            played: after the frames of the action.
            now: after the scene that followed; the same reading if there was none.
            won: whether the episode succeeded.
        """
        last, self._last = self._last, now
        furthest = self._furthest.setdefault(_part(now), now.x)
        gain = max(0, now.x - furthest)
        # A frame of nes-py is half a cycle too long. After minutes it may end between the two
        # writes of a position, half of which is then outdated. The next step reads it correctly.
        if gain > MAX_GAIN and now is played:
            gain = 0
        self._furthest[_part(now)] = furthest + gain
        return {
            "event/x": float(gain),
            "event/coins": float((now.coins - last.coins) % 100),
            "event/score": float(now.score - last.score),
            "event/time": float(max(0, last.clock - played.clock)),
            "event/flag": float(played.cleared),
            "event/death": float(played.dead),
            "event/success": float(won),
        }

    def _image(self, screen: np.ndarray) -> np.ndarray:
        return resize(screen[None], self._options.size)[0]


def action_names(name: str, options: Options) -> tuple[str, ...]:
    """See `envs.action_names`."""
    del name
    held = [[word for bit, word in BUTTONS.items() if bit & b] for b in ACTIONS[options.actions]]
    return tuple("+".join(words) or "noop" for words in held)


def files(name: str, options: Options) -> dict[str, str]:
    """See `envs.files`."""
    del name
    return {"env.rom": rom.sha1(options.rom)}


def make(
    name: str,
    options: Options,
    *,
    num_envs: int,
    seed: int,
    game: type[MarioGame] = MarioGame,
    more_events: tuple[str, ...] = (),
) -> VectorizedEnv:
    """Makes `num_envs` copies of a stage or of the whole game; observation keys: 'image'.

    `game` may tell events besides the usual ones: `more_events`.

    Raises:
        ValueError: the stage is unknown, an option is out of range, a package is missing, or the
            ROM cannot be read or is another game.
    """
    _check(options)
    stage, whole = _beginning(name, options)
    emulators = nes.switch_on(rom.cartridge(options.rom), num_envs)
    threads = pool(num_envs, "mario")

    def new_game(emulator: Emulator) -> MarioGame:
        return game(emulator, stage, whole, options)

    try:
        games = list(threads.map(new_game, emulators))
    except ValueError:
        threads.shutdown()
        for emulator in emulators:
            emulator.close()
        raise
    return VectorizedEnv(
        [ThreadCopy(game, threads) for game in games],
        Observations(spaces.Box(0, 255, (options.size, options.size, 3), np.uint8), options.size),
        Actions(games[0].action_space),
        seed=seed,
        frames_per_step=FRAMES_PER_STEP,
        name=name,
        event_keys=(*EVENTS, *more_events),
    )


def _check(options: Options) -> None:
    check_side(options.size)
    if options.actions not in ACTIONS:
        raise ValueError(f"actions must be one of {', '.join(ACTIONS)}, got {options.actions!r}")
    for name in ("noops", "max_steps"):
        if getattr(options, name) < 0:
            raise ValueError(f"{name} must not be negative, got {getattr(options, name)}")


def _beginning(name: str, options: Options) -> tuple[tuple[int, int], bool]:
    """World and first stage of the environment `name`, and whether it is the whole game."""
    whole = name == "mario"
    if options.start and not whole:
        raise ValueError(f"start={options.start} is for the whole game, `mario`, not for {name}")
    text = (options.start or "1-1") if whole else name.removeprefix("mario_")
    found = re.fullmatch(r"([1-8])-([1-4])" if whole else r"([1-8])_([1-4])", text)
    if not found:
        form = "start must be <world>-<stage>" if whole else "stages are mario_<world>_<stage>"
        likely = re.sub(r"([1-8])\D?([1-4])", r"\1-\2" if whole else r"mario_\1_\2", text)
        hint = f" (did you mean {likely}?)" if likely != text else ""
        raise ValueError(f"{form}, worlds 1 to 8, stages 1 to 4; got {text!r}{hint}")
    return (int(found[1]), int(found[2])), whole


def _stage(reading: MarioReading) -> tuple[int, int]:
    """World and stage."""
    return reading.world, reading.stage


def _part(reading: MarioReading) -> tuple[int, int, int]:
    """World, stage and area. Positions count from the left end of each area."""
    return reading.world, reading.stage, reading.area


def _is_last_stage(reading: MarioReading) -> bool:
    return _stage(reading) == (memory.WORLDS, memory.STAGES)
