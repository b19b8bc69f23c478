"""`env.normalize`: what its fixed random play finds, and what it survives."""

from typing import Any

import numpy as np
import pytest
from test_gym_wrappers import Counter, Dicts, options, played

from envs.gym_wrappers import wrapped


def test_normalized_observations_repeat_themselves() -> None:
    """Statistics are those of a fixed play: not of the copy, nor of what it has played before."""
    actions = [1, -1, 4, -4, 0]
    first = wrapped(Counter(), options(normalize=True))
    expected = played(first, actions)[0]
    played(first, [4] * 9, seed=3)
    for env in (first, wrapped(Counter(), options(normalize=True))):
        for found, known in zip(played(env, actions)[0], expected, strict=True):
            np.testing.assert_array_equal(found, known)
    rows = np.array([played(first, [action] * 9, seed=7)[0] for action in range(-4, 5)])
    np.testing.assert_allclose(rows[:, 1:, 1].mean(), 0, atol=0.15)
    np.testing.assert_allclose(rows[:, 1:, 1].std(), 1, atol=0.15)
    both = wrapped(Dicts(), options(flatten=True, normalize=True))
    assert both.observation_space.shape == (5,)


class Fragile(Counter):
    """Does not begin with even seeds; action 4 breaks it."""

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        if seed is not None and seed % 2 == 0:
            raise KeyError("no level")
        return super().reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert action < 4
        return super().step(action)


def test_random_play_survives_failures() -> None:
    env = wrapped(Fragile(), options(normalize=True))
    rows = np.array([played(env, [action] * 9, seed=7)[0] for action in range(-4, 4)])
    np.testing.assert_allclose(rows[:, 1:, 1].mean(), 0, atol=0.2)


def test_what_cannot_be_normalized() -> None:
    with pytest.raises(ValueError, match=r"env.normalize needs a Box; env.flatten=true makes one"):
        wrapped(Dicts(), options(normalize=True))

    class Broken(Counter):
        def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
            return np.full(2, np.nan, np.float32), *super().step(action)[1:]

    with pytest.raises(ValueError, match="not all finite"):
        wrapped(Broken(), options(normalize=True))
