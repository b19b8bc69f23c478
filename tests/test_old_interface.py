"""Environments as they were written for earlier versions, and others that are no Env at all."""

import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec, WrapperSpec

import envs
from envs import old_gym
from envs.gym_options import Options
from envs.make_gym import single
from envs.old_interface import modern

SEED = 5

MODULE = '''
import random

import gymnasium
import numpy as np
from gymnasium import spaces


class Old(gymnasium.Env):
    """As of 2020: draws a number, and ends after three steps."""

    observation_space = spaces.Box(0, 1, (1,))
    action_space = spaces.Discrete(2)

    def seed(self, seed=None):
        self.generator = np.random.default_rng(seed)
        return [seed]

    def draw(self):
        return self.generator.random()

    def reset(self):
        self.count = 0
        return np.array([self.draw()], np.float32)

    def step(self, action):
        self.count += 1
        info = {"TimeLimit.truncated": True} if action else {}
        return np.array([self.draw()], np.float32), np.array([0.5]), self.count == 3, info


class SharedNumpy(Old):
    """Draws from what a whole process shares."""

    seed = None

    def draw(self):
        return np.random.random()


class SharedPython(SharedNumpy):
    def draw(self):
        return random.random()


class OwnGenerator(SharedNumpy):
    """Draws from the generator of its base, which only a `reset` with a seed would have seeded."""

    def draw(self):
        return self.np_random.random()


class Plain:
    """Of no class of Gymnasium at all."""

    observation_space, action_space = Old.observation_space, Old.action_space
    seed, draw, reset, step = Old.seed, Old.draw, Old.reset, Old.step


class OldWrapper(gymnasium.Wrapper):
    """A wrapper that is as old as what it wraps."""

    def reset(self, **kwargs):
        return self.env.reset() / 2

    def step(self, action):
        obs, reward, done, info = self.env.step(action)
        return obs / 2, reward, done, info


class NewInOld(gymnasium.Wrapper):
    """A wrapper that is older than what it wraps."""

    def reset(self):
        return self.env.reset()[0]

    def step(self, action):
        obs, reward, terminated, truncated, info = self.env.step(action)
        return obs, np.array([reward]), terminated or truncated, info


def old_in_old():
    return OldWrapper(Old())


def old_in_new():
    return gymnasium.wrappers.RecordEpisodeStatistics(Old())


for thing in (Old, SharedNumpy, SharedPython, OwnGenerator, Plain, old_in_old, old_in_new):
    gymnasium.register(f"{thing.__name__}-v0", thing, max_episode_steps=9)
'''
NAMES = ["Old", "SharedNumpy", "SharedPython", "OwnGenerator", "Plain", "old_in_old", "old_in_new"]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The module of old environments."""
    (tmp_path / "old_module.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("DREAMER_COPY", "")
    yield "old_module"
    for name in NAMES:
        gymnasium.registry.pop(f"{name}-v0", None)
    sys.modules.pop("old_module", None)


def episode(env: gymnasium.Env, seed: int = SEED, action: int = 0) -> list[Any]:
    obs, info = env.reset(seed=seed)
    assert info == {}
    found: list[Any] = [float(obs[0])]
    for _ in range(3):
        obs, reward, terminated, truncated, _ = env.step(action)
        found.append((float(obs[0]), float(reward), terminated, truncated))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_an_episode_is_that_of_its_seed(module: str, name: str) -> None:
    """Also after another episode, and in another copy."""
    first, other = (single(f"{module}:{name}-v0", Options(), copy=i) for i in range(2))
    expected = episode(first)
    assert expected[3][1:] == (0.5, True, False) and expected[1][1:] == (0.5, False, False)
    assert episode(first, SEED + 1) != expected
    assert episode(first) == episode(other) == expected
    assert episode(first, action=1)[3][2:] == (False, True)


@pytest.mark.parametrize(
    ("name", "warned"),
    [("Old", False), ("Plain", False), ("old_in_new", False), ("SharedNumpy", True)],
)
def test_one_warning_without_a_seed(
    module: str, name: str, warned: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    for copy in range(3):
        episode(single(f"{module}:{name}-v0", Options(), copy=copy))
    told = capsys.readouterr().err
    assert told.count("\n") == warned
    assert f"warning: {name}.reset takes no seed" in told or not warned


def test_in_processes_of_their_own(module: str) -> None:
    with closing(envs.make(f"gym:{module}:Old-v0", Options(), num_envs=2, seed=0)) as env:
        steps = [env.reset()]
        steps += [env.step({"action": np.array([[0], [1]], np.int32)}) for _ in range(4)]
    assert [step.is_last.tolist() for step in steps[2:]] == [[False] * 2, [True] * 2, [False] * 2]
    assert steps[3].is_terminal.tolist() == [True, False]
    assert steps[3].reward.tolist() == [0.5, 0.5]
    assert not env.restarts


def test_a_wrapper_that_its_entry_is_registered_with(module: str) -> None:
    """Gymnasium adds the wrappers of a registration that an entry point has not added itself."""
    single(f"{module}:Old-v0", Options(), copy=0)
    wrapper = WrapperSpec(
        "ClipReward", "gymnasium.wrappers:ClipReward", {"min_reward": 0, "max_reward": 0.25}
    )
    spec = gymnasium.spec("Old-v0")
    spec.additional_wrappers = (wrapper,)
    env = single(f"{module}:Old-v0", Options(max_steps=2), copy=0)
    assert [x[1:] for x in episode(env)[1:3]] == [(0.25, False, False), (0.25, False, True)]


def test_a_wrapper_of_the_user_that_is_older_than_what_it_wraps(module: str) -> None:
    env = single("CartPole-v1", Options(wrap=f"{module}:NewInOld", reward_scale=2), copy=0)
    like = single("CartPole-v1", Options(), copy=0)
    np.testing.assert_array_equal(env.reset(seed=SEED)[0], like.reset(seed=SEED)[0])
    found, expected = env.step(1), like.step(1)
    np.testing.assert_array_equal(found[0], expected[0])
    assert found[1:] == (2.0, *expected[2:])


def ancient(gym: Any) -> Any:
    """A class of environments of the old package."""

    class Ancient(gym.Env):
        observation_space = gym.spaces.Box(0, 1, (1,), np.float32)
        action_space = gym.spaces.Discrete(2)

        def reset(self) -> Any:
            return self.np_random.random(1)

        def step(self, action: Any) -> Any:
            return self.np_random.random(1), 0.5, True, {"action": action}

    return Ancient


def test_environments_of_the_old_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Registered with it or with Gymnasium, of its last version or earlier ones."""
    gym = pytest.importorskip("gym", reason="the old package gym is not installed")

    Ancient = ancient(gym)

    class Later(Ancient):
        def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
            gym.Env.reset(self, seed=seed, options=options)
            return self.np_random.random(1), {}

        def step(self, action: Any) -> Any:
            return self.np_random.random(1), 0.5, False, False, {"action": action}

    later: Any = Later
    monkeypatch.setitem(gymnasium.registry, "Later-v0", EnvSpec("Later-v0", later))
    monkeypatch.setitem(
        gym.envs.registration.registry,
        "Ancient-v0",
        gym.envs.registration.EnvSpec("Ancient-v0", Ancient, max_episode_steps=2),
    )
    for name, terminated in (("gym:Ancient-v0", True), ("Later-v0", False)):
        env, other = (single(name, Options(max_steps=1), copy=i) for i in range(2))
        assert isinstance(env.observation_space, gymnasium.spaces.Box)
        first = env.reset(seed=SEED)[0]
        assert first == other.reset(seed=SEED)[0] == env.reset(seed=SEED)[0]
        assert first != env.reset(seed=SEED + 1)[0]
        assert env.step(1)[1:] == (0.5, terminated, True, {"action": 1})


def test_wrappers_of_the_old_package() -> None:
    """They pass any keyword on, even if what they wrap takes none."""
    gym = pytest.importorskip("gym", reason="the old package gym is not installed")

    Ancient = ancient(gym)

    class Plain(gym.Wrapper):
        def reset(self) -> Any:
            return self.env.reset()

    for env in (gym.Wrapper(Ancient()), Plain(gym.Wrapper(Ancient()))):
        known = modern(env, warn=False)
        first, info = known.reset(seed=SEED)
        assert first == known.reset(seed=SEED)[0] != known.reset(seed=SEED + 1)[0] and info == {}


def test_spaces_of_the_old_package() -> None:
    gym = pytest.importorskip("gym", reason="the old package gym is not installed")
    old = gym.spaces.Dict(
        box=gym.spaces.Box(-1, 2, (2, 3), np.float64),
        bits=gym.spaces.MultiBinary((2, 3)),
        both=gym.spaces.Tuple((gym.spaces.Discrete(3, start=5), gym.spaces.MultiBinary(4))),
        several=gym.spaces.MultiDiscrete([2, 3]),
        text=gym.spaces.Text(5, charset="abc"),
    )
    assert old_gym.converted(old) == spaces.Dict(
        box=spaces.Box(-1, 2, (2, 3), np.float64),
        bits=spaces.MultiBinary((2, 3)),
        both=spaces.Tuple((spaces.Discrete(3, start=5), spaces.MultiBinary(4))),
        several=spaces.MultiDiscrete([2, 3]),
        text=spaces.Text(5, charset="abc"),
    )
    with pytest.raises(
        ValueError, match="its space Sequence of the old package gym has no counter"
    ):
        old_gym.converted(gym.spaces.Sequence(gym.spaces.Discrete(2)))
    assert not old_gym.belongs(spaces.Discrete(2)) and old_gym.belongs(old)
