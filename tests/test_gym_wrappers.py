"""Wrappers under `env.`: what each does, in which order, and that episodes repeat themselves."""

import dataclasses
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

import envs
from envs.gym_options import Options
from envs.gym_wrappers import wrapped
from envs.make_gym import single
from envs.settings import override_options
from envs.vector.copy_protocol import Unexpected

OWN = """
import gymnasium
import numpy as np


def doubled(env):
    return gymnasium.wrappers.TransformReward(env, lambda reward: 2 * reward)


class Plus(gymnasium.RewardWrapper):
    def reward(self, reward):
        return reward + 1


def broken(env):
    return {}["goal"]


def nothing(env):
    pass


nobody = 3
"""


class Counter(gymnasium.Env[Any, Any]):
    """Shows [steps, action] and rewards an action with itself; draws from its own generator."""

    observation_space: spaces.Space[Any] = spaces.Box(-9, 9, (2,), np.float32)
    action_space = spaces.Discrete(9, start=-4)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed, options=options)
        self.count = 0
        return np.zeros(2, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.count += 1
        for _ in range(self.count % 3):
            self.np_random.random()
        return np.array([self.count, action], np.float32), float(action), self.count == 9, False, {}


class Dicts(Counter):
    """The same in a dictionary."""

    observation_space = spaces.Dict({"count": spaces.Box(-9, 9, (2,)), "turn": spaces.Discrete(3)})

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        obs, info = super().reset(seed=seed, options=options)
        return {"count": obs, "turn": 0}, info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        obs, reward, terminated, truncated, info = super().step(action)
        return {"count": obs, "turn": self.count % 3}, reward, terminated, truncated, info


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module with wrappers of the user."""
    (tmp_path / "own_wrappers.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    yield "own_wrappers"
    sys.modules.pop("own_wrappers", None)


def options(**changes: Any) -> Options:
    return dataclasses.replace(Options(), **changes)


def played(env: gymnasium.Env, actions: list[int], seed: int = 0) -> tuple[list[Any], list[Any]]:
    """Observations and rewards of one episode, which may end early."""
    observations, rewards = [env.reset(seed=seed)[0]], []
    for action in actions:
        obs, reward, terminated, truncated, _ = env.step(action)
        observations.append(obs)
        rewards.append(reward)
        if terminated or truncated:
            break
    return observations, rewards


def test_nothing_is_wrapped_by_default() -> None:
    env = Counter()
    assert wrapped(env, Options()) is env


@pytest.mark.parametrize(
    ("changes", "rewards"),
    [
        ({"reward_scale": 0.5}, [-1.0, 0.0, 1.5]),
        ({"reward_clip": 2.0}, [-2.0, 0.0, 2.0]),
        ({"reward_sign": True}, [-1.0, 0.0, 1.0]),
        ({"reward_scale": 0.5, "reward_clip": 1.2}, [-1.0, 0.0, 1.2]),
        ({"reward_scale": -0.1, "reward_clip": 0.25, "reward_sign": True}, [1.0, 0.0, -1.0]),
        ({"action_repeat": 2}, [-4.0, 0.0, 6.0]),
        ({"action_repeat": 2, "reward_clip": 1.0}, [-1.0, 0.0, 1.0]),
    ],
)
def test_rewards(changes: dict[str, Any], rewards: list[float]) -> None:
    found = played(wrapped(Counter(), options(**changes)), [-2, 0, 3])[1]
    assert found == pytest.approx(rewards)


@pytest.mark.parametrize("changes", ["action_repeat=2", "reward_scale=2", "reward_clip=1"])
@pytest.mark.parametrize("reward", [None, "1", [1.0, 2.0], [[1], [1, 2]]])
def test_a_reward_that_is_no_number_is_named(changes: str, reward: Any) -> None:
    wrong = gymnasium.wrappers.TransformReward(Counter(), lambda _: reward)
    env = wrapped(wrong, override_options(Options(), [f"env.{changes}"]))
    with pytest.raises(Unexpected, match="the reward should be a number, got "):
        played(env, [1])


def test_an_action_is_repeated_until_the_end() -> None:
    observations, rewards = played(wrapped(Counter(), options(action_repeat=4)), [1, 2, 3, 4])
    assert [obs[0] for obs in observations] == [0, 4, 8, 9]
    assert rewards == [4, 8, 3]


def test_frames_are_stacked() -> None:
    env = wrapped(Counter(), options(frame_stack=3))
    observations, _ = played(env, [1, 2, 3])
    assert env.observation_space.shape == (3, 2)
    assert observations[0].tolist() == [[0, 0]] * 3
    assert observations[2].tolist() == [[0, 0], [1, 1], [2, 2]]
    assert observations[3].tolist() == [[1, 1], [2, 2], [3, 3]]


def test_dictionaries_are_flattened_before_they_are_stacked() -> None:
    env = wrapped(Dicts(), options(flatten=True, frame_stack=2))
    assert env.observation_space.shape == (2, 5)
    assert played(env, [3])[0][1].tolist() == [[0, 0, 1, 0, 0], [1, 3, 0, 1, 0]]


def test_stacked_pictures_are_channels() -> None:
    """The codec makes one image of them, as of stacks that an environment makes itself."""
    chosen = override_options(Options(), ["env.frame_stack=4", "env.max_steps=3"])
    with closing(envs.make("gym:ALE/Pong-v5", chosen, num_envs=1, seed=0)) as env:
        assert env.obs_space["image"].shape == (64, 64, 12)


class Letter(spaces.Space[str]):
    """A space that Gymnasium does not know, such as the missions of MiniGrid."""


@pytest.mark.parametrize("changes", [{"flatten": True}, {"frame_stack": 2}])
@pytest.mark.parametrize(
    ("space", "told"),
    [
        (spaces.Dict({"a": spaces.Dict({"b": Letter()})}), r"a/b \(Letter\)"),
        (spaces.Tuple((spaces.Discrete(2), spaces.Sequence(spaces.Discrete(2)))), "1 .Sequence."),
        (Letter(), "observations .Letter."),
    ],
)
def test_what_cannot_be_flattened_or_stacked(
    changes: dict[str, Any], space: spaces.Space[Any], told: str
) -> None:
    env = Counter()
    env.observation_space = space
    with pytest.raises(ValueError, match=rf"env.{next(iter(changes))} cannot include {told}"):
        wrapped(env, options(**changes))


class Unseeded(Counter):
    """Never seeds its generator."""

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        del seed, options
        self.count = 0
        return np.zeros(2, np.float32), {}


@pytest.mark.parametrize("kind", [Counter, Unseeded])
def test_sticky_actions_follow_from_the_seed(kind: type[Counter]) -> None:
    actions = [-4, -3, -2, -1, 0, 1, 2, 3, 4]
    first, other = (wrapped(kind(), options(sticky=0.5)) for _ in range(2))
    runs = [played(first, actions, seed)[1] for seed in (1, 2, 3, 1)]
    assert runs[0] == runs[3] == played(other, actions, 1)[1]
    assert len({tuple(run) for run in runs}) == 3
    assert played(wrapped(kind(), Options()), actions, 1)[1] == actions
    stuck = np.mean([played(first, actions, seed)[1] != np.array(actions) for seed in range(200)])
    # An action is another one if it sticks: half of all but the first of an episode.
    assert stuck == pytest.approx(0.5 * 8 / 9, abs=0.04)


def test_frames_stick_one_by_one() -> None:
    """As in games: each of the repeated steps may repeat the action before."""
    env = wrapped(Counter(), options(sticky=0.5, action_repeat=2))
    sums = {tuple(played(env, [1, 3], seed)[1]) for seed in range(50)}
    assert sums == {(2.0, 2.0), (2.0, 4.0), (2.0, 6.0)}


def test_wrappers_of_the_user(own: str) -> None:
    both = wrapped(Counter(), options(wrap=f"{own}:doubled, {own}:Plus"))
    assert played(both, [1, 3])[1] == [3, 7]
    other = wrapped(Counter(), options(wrap=f"{own}:Plus,{own}:doubled", reward_clip=5.0))
    assert played(other, [1, 3])[1] == [4, 5]


@pytest.mark.parametrize(
    ("wrap", "told"),
    [
        ("{own}:broken", r"KeyError: 'goal' \(own_wrappers.py:16\)$"),
        ("{own}:nothing", r"env.wrap={own}:nothing returned NoneType, not an environment$"),
        ("{own}:missing", r"env.wrap={own}:missing: the module {own} has no function missing$"),
        ("{own}:nobody", r"has no function nobody$"),
        ("no_such_module:f", r"ModuleNotFoundError: No module named 'no_such_module'$"),
    ],
)
def test_wrong_wrappers_of_the_user(own: str, wrap: str, told: str) -> None:
    with pytest.raises(ValueError, match=told.format(own=own)) as caught:
        single("CartPole-v1", options(wrap=wrap.format(own=own)), copy=0)
    assert str(caught.value).startswith("cannot make 'gym:CartPole-v1': ")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("action_repeat", 0),
        ("first_copy", -1),
        ("frame_stack", 0),
        ("reward_clip", -1.0),
        ("sticky", -0.1),
        ("sticky", 1.0),
        ("wrap", "module"),
        ("wrap", "module:"),
        ("wrap", "a:b,,c:d"),
        ("wrap", ","),
    ],
)
def test_options_out_of_range(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"{field}.*{value}") as caught:
        envs.make("gym:CartPole-v1", options(**{field: value}), num_envs=1, seed=0)
    assert "\n" not in str(caught.value)


def test_in_processes_of_their_own(own: str) -> None:
    """Copies import the user's module themselves, and an episode is that of its seed."""
    chosen = options(wrap=f"{own}:doubled", sticky=0.25, action_repeat=2, frame_stack=2)
    traces = []
    for _ in range(2):
        with closing(envs.make("gym:CartPole-v1", chosen, num_envs=2, seed=0)) as env:
            env.reset()
            action = {"action": np.array([[0], [1]], np.int32)}
            steps = [env.step(action) for _ in range(8)]
        traces.append([(step.obs["vector"].tolist(), step.reward.tolist()) for step in steps])
        assert env.obs_space["vector"].shape == (8,)
        assert steps[0].reward.tolist() == [4, 4]
    assert traces[0] == traces[1]
