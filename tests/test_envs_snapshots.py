"""Snapshots: whose they are, what is refused, and episodes that do not repeat themselves.

`contract` states that a restored environment continues as it would have.
"""

import dataclasses
import functools

import numpy as np
import pytest
from contract import arrays, assert_equal_snapshots, assert_same, random_actions

import envs
from envs.counting import Counting
from envs.timestep import Timestep, VectorEnv

STEPS = 36

# Limits are short: there are several episodes, of unequal length.
CASES = {"cartpole": {"max_steps": 30}, "counting": {"length": 5}}
every = pytest.mark.parametrize("name", CASES)


def build(name: str) -> VectorEnv:
    options = dataclasses.replace(envs.default_options(name), **CASES[name])
    return envs.make(name, options, num_envs=3, seed=3)


@functools.cache
def played(name: str) -> tuple[list[Timestep], list[dict[str, np.ndarray]]]:
    """Timesteps and snapshots of an undisturbed run."""
    env = build(name)
    trace, snapshots = [env.reset()], [env.snapshot()]
    for action in random_actions(env, STEPS):
        trace.append(env.step(action))
        snapshots.append(env.snapshot())
    env.close()
    return trace, snapshots


def moments(trace: list[Timestep]) -> list[int]:
    """The start, the first end and what follows it, and two moments by chance."""
    end = next(t for t, timestep in enumerate(trace) if timestep.is_last.any())
    return [*np.random.default_rng(0).integers(end + 2, STEPS - 3, 2).tolist(), end, end + 1, 0]


@every
def test_the_timestep_is_in_the_snapshot_too(name):
    trace, snapshots = played(name)
    env = build(name)
    for moment in moments(trace):
        seen = env.restore(snapshots[moment])
        assert_same([seen], [trace[moment]])
        assert not any(
            np.shares_memory(value, kept)
            for value in arrays(seen).values()
            for kept in snapshots[moment].values()
        )
    env.close()


@every
def test_snapshots_are_the_callers(name):
    env = build(name)
    actions = random_actions(env, 10)
    env.reset()
    for action in actions:
        env.step(action)
        snapshot = env.snapshot()
        for value in [*action.values(), *snapshot.values()]:
            value[...] = 0
    assert env.snapshot()["actions/action"].shape[0] == env.snapshot()["length"].sum() > 0
    _, snapshots = played(name)
    assert_equal_snapshots(env.snapshot(), snapshots[10])


def test_memory_is_bounded_by_the_length_of_an_episode():
    env = Counting(7, 2)
    env.reset()
    kept = []
    for _ in range(1000):
        env.step({"action": np.zeros((2, 1), np.int32)})
        kept.append(len(env._record._actions))
    assert max(kept) <= 80


@every
@pytest.mark.parametrize(
    "spoil",
    [
        lambda x: x.pop("over"),
        lambda x: x.update(more=x["over"]),
        lambda x: x.update(length=x["length"][:2]),
        lambda x: x.update(length=x["length"] + 1),
        lambda x: x.update(length=x["length"] + [2, -2, 0]),
        lambda x: x.update(over=~x["over"]),
        lambda x: x.update(episodes=-1 - x["episodes"]),
        lambda x: x.update({"actions/action": x["actions/action"][:, 0]}),
        lambda x: x.update({"seen/is_last": ~x["seen/is_last"]}),
        lambda x: x.pop("seen/reward"),
        lambda x: [x.update({k: x[k][..., :1, :]}) for k in x if k.startswith("seen/obs/")],
    ],
)
def test_what_is_no_snapshot_is_refused_and_changes_nothing(name, spoil):
    _, snapshots = played(name)
    env = build(name)
    env.restore(snapshots[8])
    spoiled = dict(snapshots[1])
    spoil(spoiled)
    with pytest.raises(ValueError, match="snapshot"):
        env.restore(spoiled)
    assert_equal_snapshots(env.snapshot(), snapshots[8])


def test_a_timestep_of_another_moment_is_refused():
    _, snapshots = played("counting")
    spoiled = {**snapshots[5], "seen/is_last": ~snapshots[5]["seen/is_last"]}
    with pytest.raises(ValueError, match="contradicts"):
        build("counting").restore(spoiled)


def test_counting_notices_that_an_episode_is_another():
    _, snapshots = played("counting")
    for length, lost in ((6, 0), (4, 3), (3, 3)):
        env = Counting(length, 3)
        seen = env.restore(snapshots[4])
        assert env.lost == lost and seen.is_last.tolist() == [lost == 3] * 3
        after = env.step({"action": np.zeros((3, 1), np.int32)})
        assert after.is_first.tolist() == [lost == 3] * 3
        assert env.episodes.tolist() == [lost == 3] * 3


WILFUL = '''
import os

import gymnasium
import numpy as np
from gymnasium import spaces


class Wilful(gymnasium.Env):
    """Shows [steps taken, an unpredictable number, unless the action before it was 0]."""

    observation_space = spaces.Box(-np.inf, np.inf, (2,))
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count, self.always = 0, (seed or 0) % 2
        return self.observe(1), {}

    def step(self, action):
        self.count += 1
        return self.observe(action), 1.0, False, False, {}

    def observe(self, action):
        return np.array([self.count, action * int.from_bytes(os.urandom(2), "big")], np.float32)


gymnasium.register("Wilful-v0", Wilful)
'''


def test_an_episode_that_does_not_repeat_itself_ends_as_truncated(tmp_path, monkeypatch):
    (tmp_path / "wilful_module.py").write_text(WILFUL)
    monkeypatch.syspath_prepend(tmp_path)
    name = "gym:wilful_module:Wilful-v0"
    env, again = (envs.make(name, envs.default_options(name), num_envs=3, seed=0) for _ in range(2))
    env.reset()
    for action in ([1, 1, 1], [0, 0, 1], [0, 1, 0]):
        seen = env.step({"action": np.array(action, np.int32)[:, None]})
    restored = again.restore(env.snapshot())
    # Row 1 showed a random number last; what the others showed before is not compared.
    assert again.lost == 1
    assert_same([restored._replace(is_last=seen.is_last)], [seen])
    assert restored.is_last.tolist() == [False, True, False]
    assert not restored.is_terminal.any()
    snapshot = again.snapshot()
    assert snapshot["length"].tolist() == [3, 0, 3]
    assert snapshot["over"].tolist() == [False, True, False]
    after = again.step({"action": np.zeros((3, 1), np.int32)})
    assert after.is_first.tolist() == [False, True, False]
    assert after.obs["vector"][:, 0].tolist() == [4, 0, 4]
    assert again.episodes.tolist() == [0, 1, 0] and again.restarts == 0
    # Before the first action, the new beginning replaces the old one.
    fresh = env.restore(again.snapshot())
    assert env.lost == 0 and fresh.is_first[1] and not fresh.is_last[1]
    assert fresh.obs["vector"][1, 1] != after.obs["vector"][1, 1]
    assert_same([fresh], [after], rows=slice(0, 3, 2))
    env.close()
    again.close()
