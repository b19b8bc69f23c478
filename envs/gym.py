"""Any Gymnasium environment: `gym:<id>`, or `gym:<module>:<id>` to import the module first."""

import functools
from collections.abc import Callable
from typing import Any

import gymnasium

from envs.codecs import Actions, Observations
from envs.gym_options import Options, check
from envs.make_gym import single
from envs.vector.copy_protocol import Outcome
from envs.vector.process import ProcessCopy
from envs.vector.vector import VectorizedEnv


class GymCopy:
    """One Gymnasium environment as a `EnvCopy` (see `envs.vector.copy_protocol`)."""

    def __init__(self, env: gymnasium.Env):
        self._env = env
        self._seed = 0
        self._action: Any = None

    def prepare(self, seed: int) -> None:
        """Keeps the seed for `begin`."""
        self._seed = seed

    def begin(self) -> Any:
        """Resets the environment with the seed prepared last."""
        return self._env.reset(seed=self._seed)[0]

    def send(self, action: Any) -> None:
        """Keeps the action for `receive`."""
        self._action = action

    def receive(self) -> Outcome:
        """Steps the environment with the action sent last."""
        obs, reward, terminated, truncated, _ = self._env.step(self._action)
        return Outcome(obs, float(reward), bool(terminated), bool(truncated))

    def restart(self) -> None:
        """Never called: an error in this process goes straight to the caller."""

    def close(self) -> None:
        """Closes the environment."""
        self._env.close()


def make(name: str, options: Options, *, num_envs: int, seed: int) -> VectorizedEnv:
    """Makes `num_envs` copies of the environment that `name` registers, each in its own process.

    Raises:
        ValueError: the id or module is unknown, a package is missing, a space is unsupported, or
            an option is out of range.
    """
    env_id = name.removeprefix("gym:")
    check(options)
    # One is made here for its spaces, and so that a mistake gives a readable error.
    first = single(env_id, options, copy=0)
    try:
        conversions = _conversions(first, options)
    finally:
        first.close()
    builds = (functools.partial(single, env_id, options, copy=i) for i in range(num_envs))
    copies = [ProcessCopy(build, options.timeout) for build in builds]
    return VectorizedEnv(copies, *conversions, seed=seed, frames_per_step=1)


def vectorize(
    build: Callable[[], gymnasium.Env], *, num_envs: int, seed: int, size: int
) -> VectorizedEnv:
    """Steps `num_envs` environments of `build` in this process; resizes images to `size` pixels."""
    first = build()
    try:
        conversions = _conversions(first, Options(size=size))
    except ValueError:
        first.close()
        raise
    copies = [GymCopy(first), *(GymCopy(build()) for _ in range(num_envs - 1))]
    return VectorizedEnv(copies, *conversions, seed=seed, frames_per_step=1)


def _conversions(env: gymnasium.Env, options: Options) -> tuple[Observations, Actions]:
    observations = Observations(
        env.observation_space,
        options.size,
        ignore=options.ignore,
        only=options.only,
        kinds=options.kinds,
    )
    return observations, Actions(env.action_space)
