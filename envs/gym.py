"""Any Gymnasium environment: `gym:<id>`, or `gym:<module>:<id>` to import the module first."""

import functools
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import gymnasium

from envs.arrivals import outcome
from envs.codecs import Actions, Observations, no_actions
from envs.drawing import Picture, picture
from envs.gym_options import TRUNCATE, Options, check
from envs.kinds import AnySpace
from envs.make_gym import single
from envs.vector.copy_protocol import CopyFailed, EnvCopy, Outcome
from envs.vector.failures import EnvironmentFailed
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
        return outcome(obs, reward, terminated, truncated)

    def restart(self) -> None:
        """Never called: an error in this process goes straight to the caller."""

    def draw(self) -> Picture:
        """A picture by the environment's own renderer, or why there is none."""
        return picture(self._env)

    def close(self) -> None:
        """Closes the environment."""
        self._env.close()


def make(
    name: str, options: Options, *, num_envs: int, seed: int, draws: bool = False
) -> VectorizedEnv:
    """Makes `num_envs` copies of the environment that `name` registers, each in its own process.

    With `draws`, they can be drawn by their own renderer. The first copy tells its spaces and tries
    one step before the others are started.

    Raises:
        ValueError: the id or module is unknown, a package is missing, a space is unsupported, an
            option is out of range, or the environment does not even take a step; in one line.
    """
    env_id = name.removeprefix("gym:")
    check(options)

    def started(i: int, opened: ExitStack) -> ProcessCopy:
        build = functools.partial(single, env_id, options, copy=i, draws=draws)
        try:
            copy = ProcessCopy(build, timeout=options.timeout, warns=i == 0, draws=draws)
        except OSError as error:
            raise ValueError(f"{name}: copy {i} cannot be started: {error}") from None
        opened.callback(copy.close)
        return copy

    def together(copies: Sequence[EnvCopy]) -> VectorizedEnv:
        return VectorizedEnv(
            copies,
            *found,
            seed=seed,
            frames_per_step=options.action_repeat,
            name=name,
            replay=options.replay,
            patient=options.nonfinite == TRUNCATE,
        )

    with ExitStack() as opened:
        copies = [started(0, opened)]
        try:
            found = conversions(*copies[0].spaces(), options)
            require_step(together(copies))
        except (CopyFailed, EnvironmentFailed) as error:
            raise ValueError(str(error)) from None
        copies += [started(i, opened) for i in range(1, num_envs)]
        opened.pop_all()
    return together(copies)


def require_step(env: VectorizedEnv) -> None:
    """Raises EnvironmentFailed unless an episode begins and a step of it works."""
    env.reset()
    action = {key: no_actions(space, env.num_envs) for key, space in env.act_space.items()}
    works = False
    while not works:
        failures, seen = env.restarts, env.step(action)
        if env.failure:
            raise EnvironmentFailed(env.failure)
        works = env.restarts == failures and not seen.is_first.any()


def vectorize(
    build: Callable[[], gymnasium.Env], *, num_envs: int, seed: int, size: int, name: str
) -> VectorizedEnv:
    """Steps `num_envs` environments of `build` in this process; resizes images to `size` pixels.

    `name` stands for the environment in messages.
    """
    first = build()
    try:
        spaces = first.observation_space, first.action_space
        found = conversions(*spaces, Options(size=size))
    except ValueError:
        first.close()
        raise
    copies = [GymCopy(first), *(GymCopy(build()) for _ in range(num_envs - 1))]
    return VectorizedEnv(copies, *found, seed=seed, frames_per_step=1, name=name)


def conversions(obs: AnySpace, act: AnySpace, options: Options) -> tuple[Observations, Actions]:
    """How a run reads observations and writes actions; ValueError where it cannot."""
    keys = {"ignore": options.ignore, "only": options.only, "kinds": options.kinds}
    return Observations(obs, options.size, **keys), Actions(act)
