"""Wrappers of Gymnasium, and of the user, around one environment."""

import functools
import importlib
from contextlib import suppress
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces, wrappers

from envs.arrivals import number
from envs.explained import Refused
from envs.gym_options import Options, functions
from envs.old_interface import modern

RANDOM_STEPS = 1_000  # of random play, of which `normalize` takes mean and deviation
RESETS = 10  # in a row that may fail in it

# Spaces that Gymnasium can flatten and stack.
SIMPLE = (spaces.Box, spaces.Discrete, spaces.MultiBinary, spaces.MultiDiscrete, spaces.Text)

Env = gymnasium.Env[Any, Any]


def wrapped(env: Env, options: Options) -> Env:
    """The environment in all wrappers that its options ask for.

    From the inside out: `wrap`, `sticky`, `action_repeat`, `flatten`, `normalize`, `frame_stack`,
    `reward_scale`, `reward_clip`, `reward_sign`. The limit of steps is inside of all of them.

    Raises:
        Refused: a function of `wrap` is not there or returns no environment.
        Exception: of a wrapper, or of a function of the user.
    """
    for function in functions(options.wrap):
        env = _own(env, function)
    if options.wrap:
        env = modern(env, warn=False)
    if options.sticky:
        env = SeededStickyAction(env, options.sticky)
    # Gymnasium's wrappers calculate with whatever they get, and do not say with what.
    if options.action_repeat > 1 or _changes_rewards(options):
        env = wrappers.TransformReward(env, functools.partial(number, what="the reward"))
    if options.action_repeat > 1:
        env = wrappers.RepeatAction(env, options.action_repeat)
    if options.flatten:
        _require_known(env.observation_space, "env.flatten")
        env = wrappers.FlattenObservation(env)
    if options.normalize:
        env = _normalized(env)
    if options.frame_stack > 1:
        _require_known(env.observation_space, "env.frame_stack")
        env = wrappers.FrameStackObservation(env, options.frame_stack)
    if options.reward_scale != 1:
        env = wrappers.TransformReward(env, functools.partial(_times, options.reward_scale))
    if options.reward_clip:
        env = wrappers.ClipReward(env, -options.reward_clip, options.reward_clip)
    if options.reward_sign:
        env = wrappers.TransformReward(env, _sign)
    return env


class SeededStickyAction(wrappers.StickyAction[Any, Any]):
    """Sticky actions that follow from the seed of the episode, whatever the environment draws."""

    def __init__(self, env: Env, probability: float):
        """probability: that the action before is repeated instead."""
        super().__init__(env, probability)
        self._generator = np.random.default_rng()

    @property
    def np_random(self) -> np.random.Generator:
        """Decides which actions stick; the environment has another one."""
        return self._generator

    @np_random.setter
    def np_random(self, value: np.random.Generator) -> None:
        self._generator = value

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begins an episode."""
        if seed is not None:
            # Another stream than that of an environment with the same seed.
            sequence = np.random.SeedSequence(seed, spawn_key=(1,))
            self._generator = np.random.default_rng(sequence)
        return super().reset(seed=seed, options=options)


def _own(env: Env, function: str) -> Env:
    module, _, name = function.partition(":")
    found = getattr(importlib.import_module(module), name, None)
    if not callable(found):
        raise Refused(f"env.wrap={function}: the module {module} has no function {name}")
    result = found(env)
    if not isinstance(result, gymnasium.Env):
        raise Refused(f"env.wrap={function} returned {type(result).__name__}, not an environment")
    return result


def _require_known(space: spaces.Space[Any], option: str, key: str = "") -> None:
    """Raises Refused, naming its key, for a part of which Gymnasium does not know the form."""
    inside: dict[str, spaces.Space[Any]] = {}
    if isinstance(space, (spaces.Dict, spaces.Tuple)):
        pairs = space.items() if isinstance(space, spaces.Dict) else enumerate(space)
        inside = {str(name): part for name, part in pairs}
    elif not isinstance(space, SIMPLE):
        text = f"{option} cannot include {key or 'observations'} ({type(space).__name__})"
        raise Refused(f"{text}; a function of env.wrap can leave it out")
    for name, part in inside.items():
        _require_known(part, option, f"{key}/{name}" if key else name)


def _normalized(env: Env) -> Env:
    """Statistics of a fixed random play, so that every copy has the same and an episode repeats."""
    if not isinstance(env.observation_space, spaces.Box):
        text = "env.normalize needs a Box; env.flatten=true makes one of most spaces"
        raise Refused(f"{text}, got {type(env.observation_space).__name__}")
    found = wrappers.NormalizeObservation(env)
    env.action_space.seed(0)
    _begin(found, 0)
    for _ in range(RANDOM_STEPS):
        action, over = env.action_space.sample(), True
        with suppress(Exception):  # it costs an episode, as in training
            over = any(found.step(action)[2:4])
        if over:
            _begin(found, None)
    found.update_running_mean = False
    if not (np.isfinite(found.obs_rms.mean).all() and np.isfinite(found.obs_rms.var).all()):
        raise Refused("env.normalize: observations of random play are not all finite")
    return found


def _changes_rewards(options: Options) -> bool:
    return options.reward_scale != 1 or options.reward_clip > 0 or options.reward_sign


def _begin(env: Env, seed: int | None) -> None:
    """Begins an episode; some environments fail to begin those of some seeds."""
    for other in range(1, RESETS):
        try:
            env.reset(seed=seed)
            return
        except Exception:
            seed = other
    env.reset(seed=seed)


def _times(factor: float, reward: Any) -> float:
    return factor * float(reward)


def _sign(reward: Any) -> float:
    return float(np.sign(reward))
