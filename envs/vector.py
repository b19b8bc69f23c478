"""The vectoriser: E copies of a single environment become one `VectorEnv`."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from envs.seeding import episode_seed
from envs.spaces import Actions, Observations
from envs.timestep import Timestep


class Outcome(NamedTuple):
    """What one action led to in one copy."""

    obs: Any  # as the copy's own observation space describes it
    reward: float
    terminated: bool  # the episode truly ended
    truncated: bool  # the episode was cut off, for example by a time limit


class Copy(Protocol):
    """One environment. Work is asked for first and fetched later, so that copies can overlap."""

    def prepare(self, seed: int) -> None:
        """Asks for the episode of this seed; the episode being played goes on undisturbed."""
        ...

    def begin(self) -> Any:
        """Enters the prepared episode and returns its first observation."""
        ...

    def send(self, action: Any) -> None:
        """Asks for one step; `action` is an element of the copy's own action space."""
        ...

    def receive(self) -> Outcome:
        """Returns what the action sent last led to."""
        ...

    def close(self) -> None:
        """Frees whatever the copy holds."""
        ...


class Vector:
    """A `VectorEnv` (see there) made of copies; keeps track of episodes, seeds and autoreset."""

    event_keys: tuple[str, ...] = ()

    def __init__(
        self,
        copies: Sequence[Copy],
        observations: Observations,
        actions: Actions,
        *,
        seed: int,
        frames_per_step: int,
    ):
        self.num_envs = len(copies)
        self.frames_per_step = frames_per_step
        self.obs_space = observations.spaces
        self.act_space = actions.spaces
        self.episodes = np.zeros(self.num_envs, np.int64)
        self._copies = copies
        self._observations = observations
        self._actions = actions
        self._seed = seed
        self._over = np.zeros(self.num_envs, bool)

    def reset(self, episodes: np.ndarray | None = None) -> Timestep:
        """See `VectorEnv.reset`."""
        if episodes is None:
            episodes = np.zeros(self.num_envs, np.int64)
        if np.shape(episodes) != (self.num_envs,):
            raise ValueError(
                f"expected {self.num_envs} episode numbers, got shape {np.shape(episodes)}"
            )
        self.episodes = np.array(episodes, np.int64)
        self._prepare(range(self.num_envs), ahead=0)
        return self._collect(np.ones(self.num_envs, bool))

    def step(self, action: dict[str, np.ndarray]) -> Timestep:
        """See `VectorEnv.step`."""
        starting = self._over
        natives = self._actions.decode(action, self.num_envs)
        for copy, native, start in zip(self._copies, natives, starting, strict=True):
            if not start:
                copy.send(native)
        self.episodes = self.episodes + starting
        return self._collect(starting)

    def close(self) -> None:
        """See `VectorEnv.close`."""
        for copy in self._copies:
            copy.close()

    def _prepare(self, rows: Sequence[int], ahead: int) -> None:
        for i in rows:
            episode = int(self.episodes[i]) + ahead
            self._copies[i].prepare(episode_seed(self._seed, i, episode))

    def _collect(self, starting: np.ndarray) -> Timestep:
        """Begins an episode in the rows `starting` [E] bool, receives a step in all the others."""
        outcomes = [
            Outcome(copy.begin(), 0.0, False, False) if start else copy.receive()
            for copy, start in zip(self._copies, starting, strict=True)
        ]
        # Converted before anything else runs in the copies: they may reuse their buffers.
        obs = self._observations.encode([outcome.obs for outcome in outcomes])
        self._prepare(np.flatnonzero(starting).tolist(), ahead=1)
        terminal = np.array([outcome.terminated for outcome in outcomes], bool)
        self._over = terminal | np.array([outcome.truncated for outcome in outcomes], bool)
        return Timestep(
            obs=obs,
            reward=np.array([outcome.reward for outcome in outcomes], np.float32),
            is_first=starting,
            is_last=self._over.copy(),
            is_terminal=terminal,
            events={},
        )
