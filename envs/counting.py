"""Counts, so that a test can tell the episode and step of any piece of data."""

import dataclasses

import numpy as np
from gymnasium import spaces

from envs.kinds import AnySpace, Choice, Vector
from envs.timestep import Timestep
from envs.vector.running_episodes import RunningEpisodes


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the counting family."""

    length: int = 10  # steps in an episode; it has length + 1 observations


class Counting:
    """A `VectorEnv` (see there) whose every number is known in advance.

    'vector' is (episode, step in the episode). 'discrete' and the reward are the step. Odd
    episodes end as terminal, even ones as truncated. The event is the number of the episode. The
    end of an episode is a milestone.
    """

    frames_per_step = 1
    event_keys: tuple[str, ...] = ("event/episode",)
    restarts = 0
    failure = ""

    def __init__(self, length: int, num_envs: int):
        self.num_envs = num_envs
        self.lost = 0
        self.milestones: list[tuple[int, str]] = []
        self.starts = [""] * num_envs
        self.obs_space: dict[str, AnySpace] = {
            "vector": Vector(2),
            "discrete": Choice([length + 1]),
        }
        self.act_space: dict[str, AnySpace] = {"action": spaces.MultiDiscrete([3])}
        self._length = length
        self._count = np.zeros(num_envs, np.int64)
        self._record = RunningEpisodes(num_envs, self.obs_space, self.act_space, self.event_keys)
        self._seen = self._timestep()

    @property
    def episodes(self) -> np.ndarray:
        """See `VectorEnv.episodes`."""
        return self._record.episodes

    def prepare(self) -> None:
        """See `VectorEnv.prepare`; does nothing."""

    def reset(self, episodes: np.ndarray | None = None) -> Timestep:
        """See `VectorEnv.reset`."""
        self._record.begin(episodes)
        self._count = np.zeros(self.num_envs, np.int64)
        self._seen = self._timestep()
        return self._seen

    def step(self, action: dict[str, np.ndarray]) -> Timestep:
        """See `VectorEnv.step`; the action must have the right shape, and changes nothing."""
        if np.shape(action["action"]) != (self.num_envs, 1):
            raise ValueError(
                f"expected actions of shape {(self.num_envs, 1)}, got {np.shape(action['action'])}"
            )
        self._count = np.where(self._record.over, 0, self._count + 1)
        self._record.act(action)
        self._seen = self._timestep()
        ended = np.flatnonzero(self._record.over).tolist()
        self.milestones = [(i, f"episode/{self.episodes[i]}") for i in ended]
        return self._seen

    def snapshot(self) -> dict[str, np.ndarray]:
        """See `VectorEnv.snapshot`."""
        return self._record.snapshot(self._seen)

    def restore(self, snapshot: dict[str, np.ndarray]) -> Timestep:
        """See `VectorEnv.restore`."""
        record = self._record
        seen = record.load(snapshot)
        self._count = np.where(record.over, self._length, record.length)
        self._seen = record.resume(seen, self._obs(), self._count < self._length)
        self.lost = int(np.sum(self._seen.is_last & ~seen.is_last))
        return self._seen

    def close(self) -> None:
        """Does nothing."""

    def _obs(self) -> dict[str, np.ndarray]:
        return {
            "vector": np.stack([self.episodes, self._count], 1).astype(np.float32),
            "discrete": self._count[:, None].astype(self.obs_space["discrete"].dtype),
        }

    def _timestep(self) -> Timestep:
        is_last = self._count == self._length
        self._record.end(is_last)
        return Timestep(
            obs=self._obs(),
            reward=self._count.astype(np.float32),
            is_first=self._count == 0,
            is_last=is_last,
            is_terminal=is_last & (self.episodes % 2 == 1),
            events={"event/episode": self.episodes.astype(np.float32)},
        )


def make(name: str, options: Options, *, num_envs: int, seed: int) -> Counting:
    """Makes `num_envs` counters. Nothing is random, so the seed is unused.

    Raises:
        ValueError: the length is not positive.
    """
    del name, seed
    if options.length < 1:
        raise ValueError(f"length must be positive, got {options.length}")
    return Counting(options.length, num_envs)
