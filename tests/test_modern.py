"""What `reset` and `step` of older environments return, and how `reset` is called."""

import random
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from numpy.random import mtrand

from envs.old_interface import Modern, modern


class Base(gymnasium.Env[Any, Any]):
    """Returns what `results` says."""

    observation_space: spaces.Space[Any] = spaces.Discrete(2)
    action_space = spaces.Discrete(2)
    results: Any = None

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        del seed, options
        return self.results

    def step(self, action: Any) -> Any:
        del action
        return self.results


def returning(results: Any, space: spaces.Space[Any] | None = None) -> Modern:
    env = Base()
    env.results = results
    env.observation_space = space or env.observation_space
    found = modern(env, warn=True)
    assert isinstance(found, Modern)
    return found


PAIR = spaces.Tuple((spaces.Discrete(2), spaces.Dict({"a": spaces.Discrete(2)})))


@pytest.mark.parametrize(
    ("results", "space", "expected"),
    [
        ((1, {"info": 2}), None, (1, {"info": 2})),
        (1, None, (1, {})),
        ((1, 0), spaces.Tuple((spaces.Discrete(2),) * 2), ((1, 0), {})),
        ((1, {"a": 0}), PAIR, ((1, {"a": 0}), {})),
        (((1, {"a": 0}), {}), PAIR, ((1, {"a": 0}), {})),
        (None, None, (None, {})),
    ],
)
def test_what_reset_returns(results: Any, space: spaces.Space[Any] | None, expected: Any) -> None:
    assert returning(results, space).reset(seed=0) == expected


@pytest.mark.parametrize(
    ("reward", "expected"),
    [
        (np.array([2.5]), 2.5),
        (np.array([[3]], np.int8), 3.0),
        ([0.5], 0.5),
        (np.float32(0.5), 0.5),
        (np.bool_(True), 1.0),
        (True, True),
        (2, 2),
    ],
)
def test_rewards_of_one_element(reward: Any, expected: float) -> None:
    found = returning((0, reward, False, False, {})).step(0)[1]
    assert found == expected and isinstance(found, (float, int))


@pytest.mark.parametrize("reward", [None, np.zeros(2), "1", {}])
def test_other_rewards_are_left_to_others(reward: Any) -> None:
    assert returning((0, reward, False, False, {})).step(0)[1] is reward


@pytest.mark.parametrize(
    ("results", "kind"),
    [
        ((0, 1.0, False), "tuple of 3 parts"),
        ([0, 1.0, False, False, {}, {}], "list of 6 parts"),
        (None, "NoneType"),
        (np.zeros(5), "ndarray"),
        ({"obs": 0}, "dict"),
    ],
)
def test_steps_of_another_kind_are_named(results: Any, kind: str) -> None:
    with pytest.raises(
        TypeError, match=rf"^step returned {kind} instead of observation, reward, t"
    ):
        returning(results).step(0)


@pytest.mark.parametrize("flags", [(False, True), (True, False), (np.True_, np.False_)])
def test_steps_of_today_stay_as_they_are(flags: tuple[Any, Any]) -> None:
    info = {"TimeLimit.truncated": True}
    found = returning((1, 2.0, *flags, info)).step(0)
    assert found == (1, 2.0, *flags, info) and found[4] is info


def test_signatures_of_reset() -> None:
    called: list[Any] = []

    class Seed:
        observation_space = action_space = Base.action_space

        def reset(self, seed: int | None = None) -> int:
            called.append(seed)
            return 0

    class Everything(Seed):
        def reset(self, seed: int | None = None, **given: Any) -> int:
            called.append((seed, given))
            return 0

    class Choices:
        observation_space = action_space = Base.action_space

        def reset(self, options: Any = None) -> int:
            called.append(options)
            return 0

    for kind in (Seed, Everything, Choices):
        modern(kind(), warn=False).reset(seed=3, options={"level": 1})
    assert called == [3, (3, {"options": {"level": 1}}), {"level": 1}]


def test_generators_of_the_process_are_seeded() -> None:
    env = returning((0, {}))
    env.reset(seed=7)
    first = random.random(), mtrand.random()
    env.reset()
    assert (random.random(), mtrand.random()) != first
    env.reset(seed=7)
    assert (random.random(), mtrand.random()) == first


def test_a_base_without_a_space() -> None:
    """A wrapper of Gymnasium may be the one that has it."""

    class Spaceless(gymnasium.Env[Any, Any]):
        action_space = Base.action_space

        def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
            return (3, {"options": options}) if seed else 3

    space = spaces.Discrete(9)
    env = gymnasium.wrappers.TransformObservation(Spaceless(), lambda obs: 2 * obs, space)
    found = modern(env, warn=True)
    assert found.observation_space is space and found.reset(seed=0) == (6, {})
    assert found.reset(seed=1) == (6, {"options": None})
