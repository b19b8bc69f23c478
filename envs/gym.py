"""Any Gymnasium environment: `gym:<id>`, or `gym:<module>:<id>` to import the module first."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import gymnasium

from envs.codecs import Actions, Observations
from envs.extras import install, missing
from envs.resize import check_side
from envs.vector.copy_protocol import Outcome
from envs.vector.process import ProcessCopy
from envs.vector.vector import VectorizedEnv

LONGEST = 86_400  # seconds of timeout; timers have a limit


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the Gymnasium family."""

    max_steps: int = 0  # steps after which an episode is truncated; 0 keeps the environment's limit
    size: int = 64  # pixels; side of resized images, used unless an image already fits the encoder
    timeout: float = 60.0  # an environment hangs if it does not answer within this many seconds


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
    if options.max_steps < 0:
        raise ValueError(f"max_steps must not be negative, got {options.max_steps}")
    if not 0 < options.timeout <= LONGEST:
        raise ValueError(f"timeout must be above 0 and at most {LONGEST}, got {options.timeout}")
    check_side(options.size)
    build = functools.partial(_single, env_id, options.max_steps)
    # One is made here for its spaces, and so that a mistake gives a readable error.
    first = build()
    try:
        conversions = _conversions(first, options.size)
    finally:
        first.close()
    copies = [ProcessCopy(build, options.timeout) for _ in range(num_envs)]
    return VectorizedEnv(copies, *conversions, seed=seed, frames_per_step=1)


def vectorize(
    build: Callable[[], gymnasium.Env], *, num_envs: int, seed: int, size: int
) -> VectorizedEnv:
    """Steps `num_envs` environments of `build` in this process; resizes images to `size` pixels."""
    first = build()
    try:
        conversions = _conversions(first, size)
    except ValueError:
        first.close()
        raise
    copies = [GymCopy(first), *(GymCopy(build()) for _ in range(num_envs - 1))]
    return VectorizedEnv(copies, *conversions, seed=seed, frames_per_step=1)


def _conversions(env: gymnasium.Env, size: int) -> tuple[Observations, Actions]:
    return Observations(env.observation_space, size), Actions(env.action_space)


def _single(env_id: str, max_steps: int) -> gymnasium.Env:
    try:
        # The checker warns authors about spaces that `envs.codecs` converts anyway.
        return gymnasium.make(env_id, max_episode_steps=max_steps or None, disable_env_checker=True)
    except (gymnasium.error.Error, ImportError, TypeError, ValueError) as error:
        raise ValueError(f"cannot make 'gym:{env_id}': {_reason(env_id, error)}") from error


def _reason(env_id: str, error: Exception) -> str:
    """One line with the remedy, if one is known."""
    if module := missing(error):
        return f"{module} is not installed: {install(module)}"
    if isinstance(error, gymnasium.error.UnregisteredEnv):
        from envs.suggestions import hint  # here, since it loads the emulator of Atari

        if close := hint(f"gym:{env_id}", ()):
            return f"Gymnasium does not know it; {close}"
    return " ".join(str(error).split())
