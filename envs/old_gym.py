"""The package gym, Gymnasium's predecessor: what it registered, and its spaces, as Gymnasium's.

Nothing here imports it. A module of the user may have done so.
"""

import sys
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec

from envs.explained import Refused

MODULE = "gym"


def belongs(thing: Any) -> bool:
    """Whether an environment or a space is of the package gym."""
    return any(x.__module__.partition(".")[0] == MODULE for x in type(thing).__mro__)


def is_wrapper(env: Any) -> bool:
    """Whether an environment is a wrapper of the package gym."""
    names = [(x.__module__, x.__name__) for x in type(env).__mro__]
    return (f"{MODULE}.core", "Wrapper") in names


def registered(name: str) -> EnvSpec | None:
    """What gym has under an id, for `gymnasium.make`; None if it has nothing, or is not loaded.

    The environment is made without the checks of gym, which need an older NumPy.
    """
    registry = getattr(sys.modules.get(f"{MODULE}.envs.registration"), "registry", {})
    found = getattr(registry, "env_specs", registry).get(name)
    if found is None:
        return None
    kwargs = getattr(found, "kwargs", None) or getattr(found, "_kwargs", None) or {}
    return EnvSpec(
        id=name,
        entry_point=found.entry_point,
        max_episode_steps=found.max_episode_steps,
        kwargs=dict(kwargs),
    )


def converted(space: Any) -> spaces.Space[Any]:
    """The space of Gymnasium with the same elements.

    Raises:
        Refused: there is none.
    """
    for kind in type(space).__mro__:
        if kind.__module__.startswith(f"{MODULE}.") and (convert := SPACES.get(kind.__name__)):
            return convert(space)
    kind = type(space).__name__
    raise Refused(f"its space {kind} of the old package gym has no counterpart in Gymnasium")


def _multi_binary(space: Any) -> spaces.MultiBinary:
    return spaces.MultiBinary(space.shape if len(space.shape) > 1 else int(np.prod(space.shape)))


# Class of gym -> makes the space of Gymnasium.
SPACES: dict[str, Callable[[Any], spaces.Space[Any]]] = {
    "Box": lambda x: spaces.Box(x.low, x.high, x.shape, x.dtype),
    "Dict": lambda x: spaces.Dict({k: converted(part) for k, part in x.spaces.items()}),
    "Discrete": lambda x: spaces.Discrete(int(x.n), start=int(getattr(x, "start", 0))),
    "MultiBinary": _multi_binary,
    "MultiDiscrete": lambda x: spaces.MultiDiscrete(x.nvec),
    "Text": lambda x: spaces.Text(x.max_length, min_length=x.min_length, charset=x.character_set),
    "Tuple": lambda x: spaces.Tuple([converted(part) for part in x.spaces]),
}


def seed_base(env: Any, seed: int) -> None:
    """Seeds the generator `np_random` of the base class of an environment, if it has one."""
    for kind in type(env).__mro__:
        if kind is gymnasium.Env or (kind.__module__, kind.__name__) == (f"{MODULE}.core", "Env"):
            try:
                kind.reset(env, seed=seed)
            except (NotImplementedError, TypeError):  # gym before 0.24
                return
