"""Environments of older interfaces, as Gymnasium defines an environment today."""

import inspect
import random
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import gymnasium
import numpy as np
from numpy.random import mtrand

from envs import old_gym

KEYWORDS = ("seed", "options")  # of `reset`


def modern(env: Any, *, warn: bool) -> gymnasium.Env[Any, Any]:
    """The environment, with any older `reset` and `step` understood.

    Args:
        env: what an entry point made; it may be of no class of Gymnasium.
        warn: warn if it cannot be seeded.

    Raises:
        Refused: a space of the old package gym has no counterpart.
    """
    if not isinstance(env, gymnasium.Env):
        return Modern(Adopted(env), env, warn=warn)
    # Wrappers of Gymnasium expect the interface of today. Others are as old as what they wrap.
    inside, outside = env, None
    while isinstance(inside, gymnasium.Wrapper) and _is_of_gymnasium(inside):
        inside, outside = inside.env, inside
    adapted = Modern(inside, inside, warn=warn)
    if outside is None:
        return adapted
    outside.env = adapted
    return env


class Adopted(gymnasium.Env[Any, Any]):
    """An environment that is of no class of Gymnasium. `Modern` calls its methods."""

    def __init__(self, env: Any):
        self.adopted = env
        self.observation_space, self.action_space = env.observation_space, env.action_space

    def close(self) -> None:
        """Closes it, if it can be closed."""
        getattr(self.adopted, "close", lambda: None)()


class Modern(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Calls `reset` as the environment defines it, and completes what `reset` and `step` return.

    Understood are a `reset` without `seed`, without `options` and without info; a `step` with one
    flag `done`; rewards of one element, such as of shape (1,); and spaces of the old package gym.

    Each `reset` seeds the generators of Python and NumPy that are shared by a whole process.
    Environments that draw from them repeat an episode as well. A copy has its own process.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], target: Any, *, warn: bool):
        """Looks at the signature of `reset`.

        Args:
            env: of Gymnasium.
            target: has the methods; `env`, or what it adopted.
            warn: warn if it cannot be seeded.
        """
        super().__init__(env)
        for name in ("observation_space", "action_space"):
            space = None
            with suppress(Exception):  # a wrapper may define what the base does not have
                space = getattr(env, name)
            if old_gym.belongs(space):
                setattr(self, name, old_gym.converted(space))
        self._target = target
        chain = _chain(target)
        self._takes = [x for x in KEYWORDS if all(x in _keywords(part.reset) for part in chain)]
        self._base = chain[-1]
        self._seed = _seeding(self._base)
        if warn and "seed" not in self._takes and self._seed is None:
            text = "takes no seed; a resume may not repeat its episodes (see env.replay)"
            print(f"warning: {type(target).__name__}.reset {text}", file=sys.stderr)

    @property
    def spec(self) -> Any:
        """Of the environment; this wrapper is no part of it."""
        return self.env.spec

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begins an episode."""
        if seed is not None:
            self._seed_all(seed)
        given = {"seed": seed, "options": options}
        found = self._target.reset(**{name: given[name] for name in self._takes})
        return found if self._has_info(found) else (found, {})

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """One step.

        Raises:
            TypeError: what the environment returned has neither five nor four parts.
        """
        found = self._target.step(action)
        parts = len(found) if isinstance(found, (tuple, list)) else 0
        if parts == 5:
            obs, reward, terminated, truncated, info = found
        elif parts == 4:
            obs, reward, done, info = found
            truncated = isinstance(info, dict) and bool(info.get("TimeLimit.truncated", False))
            terminated = bool(done) and not truncated
        else:
            kind = type(found).__name__ + f" of {parts} parts" * bool(parts)
            text = "instead of observation, reward, terminated, truncated, info"
            raise TypeError(f"step returned {kind} {text}")
        return obs, _number(reward), terminated, truncated, info

    def _seed_all(self, seed: int) -> None:
        random.seed(seed)
        mtrand.seed(seed)
        if "seed" in self._takes:
            return
        old_gym.seed_base(self._base, seed)
        if self._seed is not None:
            self._seed(seed)

    def _has_info(self, found: Any) -> bool:
        """Whether a result of `reset` is an observation and a dictionary of information."""
        if not (isinstance(found, tuple) and len(found) == 2 and isinstance(found[1], dict)):
            return False
        space = getattr(self, "observation_space", None)  # a wrapper may be what has it
        return not (isinstance(space, gymnasium.spaces.Tuple) and space.contains(found))


def _is_of_gymnasium(env: Any) -> bool:
    return type(env).__module__.partition(".")[0] == "gymnasium"


def _seeding(env: Any) -> Callable[[int], Any] | None:
    """The method `seed`, if there is one that takes a seed."""
    found = getattr(env, "seed", None)
    if not callable(found):
        return None
    try:
        inspect.signature(found).bind(0)
    except TypeError:
        return None
    except ValueError:  # it may be compiled
        return found
    return found


def _chain(env: Any) -> list[Any]:
    """An environment and what it wraps, down to the base."""
    wraps = isinstance(env, gymnasium.Wrapper) or old_gym.is_wrapper(env)
    return [env, *_chain(env.env)] if wraps else [env]


def _keywords(reset: Callable[..., Any]) -> tuple[str, ...]:
    """Which of `seed` and `options` a `reset` takes."""
    try:
        parameters = inspect.signature(reset).parameters
    except (TypeError, ValueError):  # it may be compiled
        return KEYWORDS
    if any(x.kind is inspect.Parameter.VAR_KEYWORD for x in parameters.values()):
        return KEYWORDS
    return tuple(name for name in KEYWORDS if name in parameters)


def _number(reward: Any) -> Any:
    """A reward of one element as a float; anything else unchanged, for others to judge."""
    if isinstance(reward, (float, int)):
        return reward
    try:
        array = np.asarray(reward)
    except Exception:  # such as lists of different lengths
        return reward
    return array.item() if array.size == 1 and array.dtype.kind in "biuf" else reward
