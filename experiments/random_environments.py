"""Gymnasium environments made at random: nested spaces, and misbehavior of every method.

`gym:experiments.random_environments:Random-v0` with the keyword `draw`, a number: each number is
another environment. What it does is a function of the draw, of the seed of the episode and of the
actions, unless it is `wilful`. `experiments.fuzz` and the tests use them.
"""

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

AnySpace = spaces.Space[Any]
Random = np.random.Generator

DEPTH = 3  # most Dicts and Tuples around a leaf
LONGEST = 12  # steps of an episode
HARMLESS = 0.4  # share of the environments that do no harm
RATES = (0.02, 0.2, 1.0)  # how often an environment does the harm that it does

# What a method may do besides its work. `os_exit` and those after it need a process of their own.
RESET = ("reset_raises", "reset_is_none", "reset_without_info")
VALUES = ("none", "shape", "missing", "nan", "infinite", "object", "further", "text", "outside")
STEP = (
    *("step_raises", "four_values", "endless", "at_once", "exits"),
    *("reward_none", "reward_nan", "reward_infinite", "reward_array", "flag_array", "flag_none"),
)
ALWAYS = ("close_raises", "buffer", "wilful", "prints")
DEADLY = ("unknown_class", "os_exit", "abort", "hang")


def leaves() -> dict[str, Callable[[Random], AnySpace]]:
    """Kind -> a function that draws a space of it."""
    side = {"small": 8, "large": 40}
    return {
        "float": lambda r: spaces.Box(-1, 1, _shape(r)),
        "wide": lambda r: spaces.Box(-np.inf, np.inf, _shape(r), np.float64),
        "half": lambda r: spaces.Box(-9, 9, _shape(r), np.float16),
        "bytes": lambda r: spaces.Box(-100, 100, _shape(r), np.int8),
        "grid": lambda r: spaces.Box(0, 5, tuple(r.integers(2, 9, 2).tolist()), np.uint8),
        **{
            name: lambda _, n=n: spaces.Box(0, 255, (n, n, 3), np.uint8) for name, n in side.items()
        },
        "first": lambda _: spaces.Box(0, 255, (1, 33, 47), np.uint8),
        "share": lambda _: spaces.Box(0, 1, (32, 32, 1), np.float32),
        "discrete": lambda r: spaces.Discrete(
            int(r.integers(1, 300)), start=int(r.integers(-3, 3))
        ),
        "many": lambda r: spaces.MultiDiscrete(r.integers(1, 9, int(r.integers(1, 5)))),
        "table": lambda r: spaces.MultiDiscrete(r.integers(1, 9, (2, 2))),
        "bits": lambda r: spaces.MultiBinary(_shape(r, least=1) or 1),
        "text": lambda r: spaces.Text(int(r.integers(1, 9)), charset="abc é"),
    }


def actions() -> dict[str, Callable[[Random], AnySpace]]:
    """The kinds that an agent can act in."""
    return {k: x for k, x in leaves().items() if k in ("float", "discrete", "many", "bits", "wide")}


def _shape(random: Random, *, least: int = 0) -> tuple[int, ...]:
    return tuple(random.integers(1, 4, int(random.integers(least, 3))).tolist())


def space(random: Random, kinds: dict[str, Callable[[Random], AnySpace]], depth: int) -> AnySpace:
    """Draws a space of the `kinds` with at most `depth` Dicts and Tuples around each leaf."""
    if depth == 0 or random.random() < 0.4:
        return kinds[str(random.choice(list(kinds)))](random)
    parts = [space(random, kinds, depth - 1) for _ in range(int(random.integers(1, 4)))]
    if random.random() < 0.3:
        return spaces.Tuple(parts)
    return spaces.Dict({f"part{i}": x for i, x in enumerate(parts)})


class RandomEnv(gymnasium.Env[Any, Any]):
    """See the module. `harms` says what this environment does besides its work, and how often."""

    def __init__(self, draw: int = 0, *, deadly: bool = False):
        random = np.random.default_rng(draw)
        self.observation_space = space(random, leaves(), DEPTH)
        self.action_space = space(random, actions(), 1)
        self.harms = _harms(random, deadly=deadly)
        self._random = random
        self._count = 0
        self._total = 0.0
        self._shown: Any = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begins the episode of a seed."""
        del options
        self._random = np.random.default_rng(None if "wilful" in self.harms else seed)
        self.observation_space.seed(int(self._random.integers(2**31)))
        self._count, self._total = 0, 0.0
        if self._does("reset_raises"):
            raise KeyError("no level\nfor this seed")
        found: Any = self._observation(), {}
        if self._does("reset_is_none"):
            found = None
        return found[0] if self._does("reset_without_info") else found

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Takes a step; the actions decide rewards and what is observed."""
        assert self.action_space.contains(action), action
        self._count += 1
        self._total += _sum(action)
        if self._total % 2 > 1:
            self.observation_space.sample()
        if self._does("step_raises"):
            raise RuntimeError("the lever broke")
        if self._does("exits"):
            raise SystemExit(3)
        self._die()
        obs, over = self._observation(), self._count >= 1 + self._random.integers(LONGEST)
        over = (bool(over) or self._does("at_once")) and "endless" not in self.harms
        ends: Any = (over and self._count % 2 == 0), (over and self._count % 2 == 1)
        if self._does("flag_array"):
            ends = np.array([ends[0]]), np.array(ends[1])
        if self._does("flag_none"):
            ends = None, None
        found: Any = (obs, self._reward(), *ends, {})
        return (*found[:2], bool(over), {}) if self._does("four_values") else found

    def close(self) -> None:
        """Closes."""
        if "close_raises" in self.harms:
            raise AttributeError("it is closed")

    def _does(self, harm: str) -> bool:
        return bool(self._random.random() < self.harms.get(harm, 0.0))

    def _reward(self) -> Any:
        reward: Any = self._total
        for harm, value in (
            ("reward_none", None),
            ("reward_nan", np.nan),
            ("reward_infinite", -np.inf),
            ("reward_array", np.array([reward])),
        ):
            reward = value if self._does(harm) else reward
        return reward

    def _observation(self) -> Any:
        obs = self.observation_space.sample()
        for harm in VALUES:
            if self._does(harm):
                obs = _harmed(obs, harm, self._random)
        if self._does("prints"):
            print("an environment prints", flush=True)
        if self._does("unknown_class"):
            return type("Local", (), {})()
        if "buffer" not in self.harms or not isinstance(obs, np.ndarray):
            return obs
        if isinstance(self._shown, np.ndarray) and self._shown.shape == obs.shape:
            self._shown[...] = obs  # in place, as simulators do that show their own memory
        else:
            self._shown = obs
        return self._shown

    def _die(self) -> None:
        if self._does("os_exit"):
            os._exit(3)
        if self._does("abort"):
            os.kill(os.getpid(), signal.SIGABRT)
        if self._does("hang"):
            time.sleep(3600)


def _harms(random: Random, *, deadly: bool) -> dict[str, float]:
    """What an environment does besides its work -> how often."""
    if random.random() < HARMLESS:
        return {}
    every = [*RESET, *VALUES, *STEP, *ALWAYS, *(DEADLY if deadly else ())]
    drawn = random.choice(every, int(random.integers(1, 4)), replace=False).tolist()
    return {name: float(random.choice(RATES)) for name in drawn}


def _harmed(obs: Any, harm: str, random: Random) -> Any:
    """The observation with a wrong part somewhere in it."""
    if isinstance(obs, dict) and obs:
        key = str(random.choice(list(obs)))
        if harm == "missing":
            return {k: x for k, x in obs.items() if k != key}
        if harm == "further":
            return obs | {"unknown": object()}
        return obs | {key: _harmed(obs[key], harm, random)}
    if isinstance(obs, tuple) and obs:
        return (_harmed(obs[0], harm, random), *obs[1:]) if harm != "missing" else obs[:-1]
    real = isinstance(obs, np.ndarray) and obs.dtype.kind == "f"
    wrong: dict[str, Any] = {
        "none": None,
        "shape": np.zeros((7, 7, 7), np.uint8),
        "nan": np.full_like(obs, np.nan) if real else obs,
        "infinite": np.full_like(obs, np.inf) if real else obs,
        "object": np.array([object()], object),
        "text": "ab?Z" * 40 if isinstance(obs, str) else obs,
        "outside": obs + 999 if isinstance(obs, np.integer) else obs,
    }
    return wrong.get(harm, obs)


def _sum(action: Any) -> float:
    if isinstance(action, dict):
        return sum(_sum(x) for x in action.values())
    if isinstance(action, tuple):
        return sum(_sum(x) for x in action)
    return float(np.sum(action))


gymnasium.register("Random-v0", "experiments.random_environments:RandomEnv")
