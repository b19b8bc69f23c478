"""What an environment gives and what it must be able to do. E is the number of parallel copies."""

from typing import NamedTuple, Protocol

import numpy as np

from envs.kinds import AnySpace

CONSOLE_FRAMES_PER_SECOND = 60  # frames a second of every console
DEFAULT_STEPS_PER_SECOND = 30  # steps a second of an environment whose steps are no frames


class Timestep(NamedTuple):
    """One step of E parallel environments; row i of every array belongs to environment i."""

    obs: dict[str, np.ndarray]  # [E, ...] per observation key, dtype of its space
    reward: np.ndarray  # [E] float32, the reward that arrived with obs
    is_first: np.ndarray  # [E] bool, obs is the first of an episode (reward 0)
    is_last: np.ndarray  # [E] bool, obs is the last of an episode (terminal or truncated)
    is_terminal: np.ndarray  # [E] bool, the episode truly ended here (never set by truncation)
    events: dict[str, np.ndarray]  # [E] float32 per raw event, keys 'event/<name>'


class VectorEnv(Protocol):
    """E copies of one environment, stepped together.

    Autoreset happens on the next step: a row that was `is_last` ignores its next action and
    returns the first observation of the episode after it. Arrays are the caller's to keep:
    the environment never writes to what it has returned. An episode is a function of
    (run seed, row, episode number), of where it begins and of its actions.

    A copy that crashes or hangs is started again: its row shows its last observation once more,
    with reward 0 and truncated, and goes on with the next episode. One that fails several times
    without finishing an episode is given up: `failure` says why, in a traceback if there is one.
    The timestep that was returned then is whole, for the caller to save, and every call after it
    raises `envs.vector.vector.EnvironmentFailed`.

    An observation space is of one of the `envs.kinds`: an image, a vector, choices, bits or a text.
    An action space is `Box(-1, 1, (n,), float32)` or `MultiDiscrete([n, ...])` with int32 values.
    """

    num_envs: int  # E
    frames_per_step: int  # emulator frames that pass in one step
    obs_space: dict[str, AnySpace]  # per observation key
    act_space: dict[str, AnySpace]  # per action key
    event_keys: tuple[str, ...]  # keys of Timestep.events
    restarts: int  # copies that crashed or hung and were started again, so far
    lost: int  # episodes that the last `restore` could not continue
    milestones: list[tuple[int, str]]  # row and name of those reached in the step; [] in restore
    failure: str  # why a copy does not work any more; empty while all do

    @property
    def episodes(self) -> np.ndarray:
        """[E] int64, number of the episode that each copy is in."""
        ...

    @property
    def starts(self) -> list[str]:
        """Row -> the milestone that its episode began at; empty: at the beginning of the game."""
        ...

    def prepare(self) -> None:
        """Lets the episodes begin that `reset` asks for by default, and does not wait for them.

        Nobody has to call it: it is for those who have something else to do meanwhile.
        """
        ...

    def reset(self, episodes: np.ndarray | None = None) -> Timestep:
        """Starts episode `episodes[i]` in copy i (by default 0); every row is_first."""
        ...

    def step(self, action: dict[str, np.ndarray]) -> Timestep:
        """Takes one step in each copy; `action[key]` is [E, k] int32 or [E, n] float32."""
        ...

    def snapshot(self) -> dict[str, np.ndarray]:
        """All that `restore` needs to go on after the current timestep; the caller's to keep.

        Keys: 'episodes' [E] int64; 'over' [E] bool; 'length' [E] int64, actions taken in the
        running episode, 0 if it is over; 'actions/<key>' [sum of length, k] for each action key,
        those of row 0, then those of row 1, and so on; and the current timestep, as
        'seen/obs/<key>', 'seen/reward', 'seen/is_first' and so on, 'seen/event/<name>'. Where
        episodes may begin at milestones, 'frontier/...' as well (see `envs.vector.frontier`).
        """
        ...

    def restore(self, snapshot: dict[str, np.ndarray]) -> Timestep:
        """Plays the running episodes again up to a snapshot; returns where that has led.

        This is the timestep of the snapshot, unless an episode does not repeat itself. Then it
        ends as truncated: is_last is set, the next step begins the next episode, and `lost` counts
        it. Where nobody had acted yet, nothing is lost: the row shows the first observation of the
        episode as it begins now.

        Raises ValueError if the arrays do not fit together or this environment.
        """
        ...

    def close(self) -> None:
        """Frees emulators, threads and processes; the environment is of no use afterwards."""
        ...


def natural_rate(env: VectorEnv) -> float:
    """Steps a second, as fast as on the real console."""
    return (
        CONSOLE_FRAMES_PER_SECOND / env.frames_per_step
        if env.frames_per_step > 1
        else DEFAULT_STEPS_PER_SECOND
    )
