"""A `VectorEnv` of one copy as a `gymnasium.Env`."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from envs.kinds import AnySpace
from envs.timestep import Timestep, VectorEnv


class SingleEnv(gymnasium.Env):
    """Gives a `VectorEnv` of one copy Gymnasium's interface.

    A space with a single key becomes that key's space, without the dictionary. `reset(seed=n)`
    begins episode n of the environment's own seed. `reset()` begins the episode after the last
    one. The info of a step holds its events.
    """

    def __init__(self, env: VectorEnv):
        """Takes ownership of `env`. Raises ValueError unless it has one copy."""
        if env.num_envs != 1:
            raise ValueError(f"expected an environment of one copy, got {env.num_envs}")
        self.observation_space = _unwrapped(dict(env.obs_space), spaces.Dict)
        self.action_space = _unwrapped(dict(env.act_space), spaces.Dict)
        self._env = env
        self._closed = False
        self._next = 0  # number of the episode to begin

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begins an episode; ignores `options`."""
        super().reset(seed=seed)
        del options
        episode = self._next if seed is None else seed
        self._next = episode + 1
        return self._observation(self._env.reset(np.array([episode])))

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Takes one step. Call `reset` after the last step of an episode."""
        act_space = self._env.act_space
        actions = (
            action if isinstance(self.action_space, spaces.Dict) else {_key(act_space): action}
        )
        timestep = self._env.step({k: _row(space, actions[k]) for k, space in act_space.items()})
        obs, events = self._observation(timestep)
        terminal = bool(timestep.is_terminal[0])
        truncated = bool(timestep.is_last[0]) and not terminal
        return obs, float(timestep.reward[0]), terminal, truncated, events

    def close(self) -> None:
        """Closes the environment; a second call does nothing."""
        if not self._closed:
            self._env.close()
        self._closed = True

    def _observation(self, timestep: Timestep) -> tuple[Any, dict[str, Any]]:
        obs = {key: value[0] for key, value in timestep.obs.items()}
        events = {key: float(value[0]) for key, value in timestep.events.items()}
        return _unwrapped(obs, dict), events


def _key(space: dict[str, AnySpace]) -> str:
    return next(iter(space))


def _unwrapped(parts: dict[str, Any], together: Any) -> Any:
    """The only part, or all parts `together`."""
    return together(parts) if len(parts) > 1 else parts[_key(parts)]


def _row(space: AnySpace, action: Any) -> np.ndarray:
    """[1, k] int32 or [1, n] float32."""
    discrete = isinstance(space, spaces.MultiDiscrete)
    return np.asarray(action, np.int32 if discrete else np.float32)[None]
