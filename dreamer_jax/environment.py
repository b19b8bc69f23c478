"""The interface of E parallel environments, as a run uses them.

Environments live outside of this package. Any class with these members can be trained in.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import gymnasium
import numpy as np


@runtime_checkable
class Timestep(Protocol):
    """One step of E environments; row i of every array belongs to environment i."""

    @property
    def obs(self) -> dict[str, np.ndarray]:
        """[E, ...] for each observation key, in the dtype of its space."""
        ...

    @property
    def reward(self) -> np.ndarray:
        """[E] float32, the reward that arrived with `obs`; 0 where `is_first`."""
        ...

    @property
    def is_first(self) -> np.ndarray:
        """[E] bool, whether `obs` is the first of an episode."""
        ...

    @property
    def is_last(self) -> np.ndarray:
        """[E] bool, whether `obs` is the last of an episode, terminal or truncated."""
        ...

    @property
    def is_terminal(self) -> np.ndarray:
        """[E] bool, whether the episode ended in a terminal state; False for a truncated one."""
        ...

    @property
    def events(self) -> dict[str, np.ndarray]:
        """[E] float32 for each of `Environment.event_keys`."""
        ...


@runtime_checkable
class Environment(Protocol):
    """E environments that step together and reset themselves.

    A row that was `is_last` ignores its next action and returns the first observation of its next
    episode. Returned arrays belong to the caller: the environment never writes to them again.
    """

    @property
    def num_envs(self) -> int:
        """E."""
        ...

    @property
    def frames_per_step(self) -> int:
        """Frames of the emulator in one step."""
        ...

    @property
    def obs_space(self) -> Mapping[str, gymnasium.Space[Any]]:
        """The space of each observation, for one environment; see `dreamer_jax.spaces`."""
        ...

    @property
    def act_space(self) -> Mapping[str, gymnasium.Space[Any]]:
        """The space of each action, for one environment; see `dreamer_jax.spaces`."""
        ...

    @property
    def event_keys(self) -> Sequence[str]:
        """Keys of `Timestep.events`, each `event/<name>`."""
        ...

    @property
    def starts(self) -> list[str]:
        """[E] names: the milestone at which each episode began; empty for the game's beginning."""
        ...

    @property
    def milestones(self) -> list[tuple[int, str]]:
        """Row and name of each milestone reached in the newest step."""
        ...

    @property
    def restarts(self) -> int:
        """Episodes cut off or kept from beginning by failures, since the process began."""
        ...

    @property
    def lost(self) -> int:
        """How many episodes the last `restore` could not continue."""
        ...

    @property
    def failure(self) -> str:
        """Why an environment no longer works, in one line. Empty while all work."""
        ...

    def prepare(self) -> None:
        """Starts the first episodes in the background, so that `reset` need not wait for them."""
        ...

    def reset(self) -> Timestep:
        """Starts the first episode of every environment; every row is `is_first`."""
        ...

    def step(self, action: dict[str, np.ndarray]) -> Timestep:
        """Takes one step in every environment.

        action: for each action key [E, n], int32 choices or float32 values.
        """
        ...

    def snapshot(self) -> dict[str, np.ndarray]:
        """Everything that `restore` needs to continue after the newest timestep."""
        ...

    def restore(self, snapshot: dict[str, np.ndarray]) -> Timestep:
        """Continues from a `snapshot`; returns the timestep that was the newest then.

        An episode that does not replay identically ends as truncated, and `lost` counts it. Raises
        ValueError for arrays that are no snapshot of such an environment.
        """
        ...

    def close(self) -> None:
        """Frees emulators, threads and processes."""
        ...
