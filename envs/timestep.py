"""The interface of environments. E is the number of parallel copies."""

from typing import NamedTuple, Protocol

import numpy as np

from envs.kinds import AnySpace

FRAMES_PER_SECOND = 60  # of every console
STEPS_PER_SECOND = 30  # of environments whose steps have no frames


class Timestep(NamedTuple):
    """One step of E parallel environments; row i of every array belongs to environment i."""

    obs: dict[str, np.ndarray]  # [E, ...] per observation key, dtype of its space
    reward: np.ndarray  # [E] float32, the reward that arrived with obs
    is_first: np.ndarray  # [E] bool, obs is the first of an episode (reward 0)
    is_last: np.ndarray  # [E] bool, obs is the last of an episode (terminal or truncated)
    is_terminal: np.ndarray  # [E] bool, the episode ended here and was not truncated
    events: dict[str, np.ndarray]  # [E] float32 per raw event, keys 'event/<name>'


class VectorEnv(Protocol):
    """E copies of one environment, stepped together.

    Autoreset happens on the next step: a row that was `is_last` ignores its next action and
    returns the first observation of the next episode. The environment never writes to an array
    that it has returned, so the caller may keep it. An episode is a function of (run seed, row,
    episode number), of its starting point and of its actions.

    A copy that crashes, hangs or returns what it did not declare costs an episode: its row shows
    its last observation once more, with reward 0 and truncated, and continues with the next
    episode. An episode that does not begin is skipped. A copy that fails many times without
    finishing an episode ends the environment: `failure` says why, in one line. The timestep of that
    call is complete, so the caller can save it. Every later call raises
    `envs.vector.failures.EnvironmentFailed`.

    An observation space has one of the `envs.kinds`: image, vector, choice, bits, text or symbols.
    An action space is `Box(-1, 1, (n,), float32)` or `MultiDiscrete([n, ...])` with int32 values.
    """

    num_envs: int  # E
    frames_per_step: int  # emulator frames that pass in one step
    obs_space: dict[str, AnySpace]  # per observation key
    act_space: dict[str, AnySpace]  # per action key
    event_keys: tuple[str, ...]  # keys of Timestep.events
    lost: int  # episodes that the last `restore` could not continue
    milestones: list[tuple[int, str]]  # (row, name) of each reached in the step; [] after restore

    @property
    def restarts(self) -> int:
        """Episodes that failures of copies cut off or kept from beginning, so far."""
        ...

    @property
    def failure(self) -> str:
        """Why a copy failed, in one line; empty while all work."""
        ...

    @property
    def episodes(self) -> np.ndarray:
        """[E] int64, number of the current episode of each copy."""
        ...

    @property
    def starts(self) -> list[str]:
        """Row -> the milestone where its episode began; empty: at the start of the game."""
        ...

    def prepare(self) -> None:
        """Starts the episodes that `reset` begins by default, without waiting for them.

        Optional: it lets the caller do other work in the meantime.
        """
        ...

    def reset(self, episodes: np.ndarray | None = None) -> Timestep:
        """Begins episode `episodes[i]` (default 0) in copy i; every row is_first."""
        ...

    def step(self, action: dict[str, np.ndarray]) -> Timestep:
        """Takes one step in each copy; `action[key]` is [E, k] int32 or [E, n] float32."""
        ...

    def snapshot(self) -> dict[str, np.ndarray]:
        """The arrays that `restore` needs to continue here; the caller may keep them.

        Keys: 'episodes' [E] int64; 'over' [E] bool; 'length' [E] int64, actions taken in the
        running episode, 0 if it is over; 'actions/<key>' [sum of length, k] for each action key,
        row after row; and the current timestep as 'seen/obs/<key>', 'seen/reward',
        'seen/is_first' and so on, 'seen/event/<name>'. If episodes may begin at milestones, also
        'frontier/...' (see `envs.vector.frontier`).
        """
        ...

    def restore(self, snapshot: dict[str, np.ndarray]) -> Timestep:
        """Replays the running episodes up to a snapshot; returns the timestep that results.

        This is the timestep of the snapshot, unless an episode does not repeat itself. Such an
        episode ends as truncated: is_last is set, the next step begins the next episode, and `lost`
        counts it. An episode without an action so far is not lost: its row shows the first
        observation as the episode begins now.

        Raises:
            ValueError: the arrays do not fit each other or this environment.
        """
        ...

    def close(self) -> None:
        """Frees emulators, threads and processes. The environment cannot be used afterwards."""
        ...


def natural_rate(env: VectorEnv) -> float:
    """Steps a second at the speed of the real console."""
    return FRAMES_PER_SECOND / env.frames_per_step if env.frames_per_step > 1 else STEPS_PER_SECOND
