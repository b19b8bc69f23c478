"""Makes one Gymnasium environment of its id and options."""

import dataclasses
import difflib
import inspect
import os
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import gymnasium
from gymnasium.envs.registration import load_env_creator

from envs import drawing, keywords, plugins
from envs.explained import Refused, explained
from envs.extras import install, missing
from envs.gym_options import Options
from envs.gym_wrappers import wrapped
from envs.old_interface import modern

COPY = "DREAMER_COPY"  # environment variable with the number of the copy
UNEXPECTED = re.compile(r"unexpected keyword argument '(\w+)'")
REQUIRED = re.compile(r"missing \d+ required (?:positional|keyword-only) arguments?: (.*)")
OURS = {"max_episode_steps": "env.max_steps", "id": "--env"}  # keywords of `gymnasium.make`
NO_DISPLAY = "there is no display: start the command with xvfb-run -a"
# Part of an error -> what helps.
REMEDIES = {
    "module 'numpy' has no attribute": "its package is older than this NumPy",
    "NoSuchDisplay": NO_DISPLAY,
    "DISPLAY": NO_DISPLAY,
    "OpenGL": "MUJOCO_GL=egl or MUJOCO_GL=osmesa before the command draws without a display",
}


def single(
    env_id: str, options: Options, *, copy: int, draws: bool = False
) -> gymnasium.Env[Any, Any]:
    """One environment. Sets the environment variable `COPY` of this process.

    Args:
        env_id: `<id>`, or `<module>:<id>` to import the module first.
        options: of the family.
        copy: number of this copy, 0 to E - 1; `options.first_copy` is added to it.
        draws: whether it is asked for pictures, which it returns if it has such a renderer.

    Raises:
        ValueError: the environment cannot be made; in one line with the remedy, if one is known.
    """
    number = options.first_copy + copy
    os.environ[COPY] = str(number)
    given = keywords.filled(options.kwargs, copy=number)
    creator = env = None
    try:
        spec = plugins.find(env_id)
        creator = Creator(spec.entry_point, warn=copy == 0)
        spec = dataclasses.replace(spec, entry_point=creator, kwargs={**spec.kwargs, **given})
        # The checker warns authors about spaces that `envs.codecs` converts anyway.
        if draws and "render_mode" not in given and (mode := drawing.mode_of(creator)):
            spec.kwargs["render_mode"] = mode
        env = gymnasium.make(
            spec, max_episode_steps=options.max_steps or None, disable_env_checker=True
        )
        env = wrapped(env, options)
        _require_spaces(env)
        return env
    except (Exception, SystemExit) as error:
        if env is not None:
            with suppress(Exception, SystemExit):
                env.close()
        reason = _keyword_reason(error, creator, given) or _reason(env_id, error)
        raise ValueError(f"cannot make 'gym:{env_id}': {reason}") from error


class Creator:
    """An entry point whose environment has the interface of today."""

    def __init__(self, entry_point: Any, *, warn: bool):
        """warn: warn if the environment cannot be seeded."""
        if entry_point is None:
            raise Refused("it is registered without an entry point for single environments")
        self.create: Callable[..., Any] = (
            load_env_creator(entry_point) if isinstance(entry_point, str) else entry_point
        )
        self.warn = warn
        if isinstance(metadata := getattr(self.create, "metadata", None), dict):
            self.metadata = metadata  # Gymnasium compares render modes with it

    def __call__(self, **kwargs: Any) -> gymnasium.Env[Any, Any]:
        """Makes one environment."""
        return modern(self.create(**kwargs), warn=self.warn)


def _require_spaces(env: gymnasium.Env[Any, Any]) -> None:
    for name in ("observation_space", "action_space"):
        space = getattr(env, name)
        if not isinstance(space, gymnasium.spaces.Space):
            kind = type(space).__name__
            raise Refused(f"its {name} is of type {kind}, which is no space of Gymnasium")


def _keyword_reason(error: BaseException, creator: Creator | None, given: dict[str, Any]) -> str:
    """One line about a keyword that is wrong or missing; '' if that is not the cause."""
    if not isinstance(error, TypeError) or creator is None:
        return ""
    known = _parameters(creator.create)
    if (found := UNEXPECTED.search(str(error))) and (name := found[1]) in given:
        close = [OURS[name]] if name in OURS else difflib.get_close_matches(name, known, 1)
        hint = f"; did you mean {close[0]}?" if close else ""
        valid = ", ".join(known)
        listed = f"its keywords are {valid}" if valid else "it has none"
        return f"it has no keyword {name!r}{hint}; {listed}"
    if found := REQUIRED.search(str(error)):
        names = [name for name in known if f"'{name}'" in found[1]]
        return "it needs " * bool(names) + " ".join(f"--set env.kwargs.{x}=<value>" for x in names)
    return ""


def _parameters(create: Callable[..., Any]) -> list[str]:
    """Names of the keywords that an entry point takes, with those that it passes on to bases."""
    found: dict[str, None] = {}
    creators = [x.__init__ for x in create.__mro__] if isinstance(create, type) else [create]
    for each in creators:
        try:
            parameters = inspect.signature(each).parameters.values()
        except (TypeError, ValueError):  # it may be compiled
            break
        found |= {
            x.name: None for x in parameters if x.kind in (x.POSITIONAL_OR_KEYWORD, x.KEYWORD_ONLY)
        }
        if all(x.kind is not x.VAR_KEYWORD for x in parameters):
            break
    found.pop("self", None)
    return list(found)


def _reason(env_id: str, error: BaseException) -> str:
    """One line with the remedy, if one is known."""
    if module := missing(error):
        return f"{module} is not installed: {install(module)}"
    if isinstance(error, gymnasium.error.UnregisteredEnv) or plugins.is_placeholder(env_id):
        from envs.suggestions import hint  # here, since it loads the emulator of Atari

        if close := hint(f"gym:{env_id}", ()):
            return f"Gymnasium does not have it; {close}"
    if "was raised from the environment creator" in str(error) and error.__cause__ is not None:
        error = error.__cause__  # without all the keywords, which Gymnasium repeats
    text = explained(error)
    remedy = next((help for part, help in REMEDIES.items() if part in text), "")
    return f"{text}; {remedy}" if remedy else text
