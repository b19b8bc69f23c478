"""The game of `examples/catch.py`: where the ball falls, and what catches it."""

import importlib

import gymnasium
import numpy as np
from example_modules import importable


def test_a_ball_falls_and_is_caught_where_it_lands() -> None:
    """A paddle that follows the ball is always there; one that stands still may not be."""
    with importable():
        catch = importlib.import_module("catch")
        env, rewards = gymnasium.make("catch:Catch-v0"), {True: set[float](), False: set[float]()}
    for episode in range(40):
        follows, (image, _), reward = episode % 2 == 0, env.reset(seed=episode), 0.0
        (start,), expected = np.nonzero((image[0] == catch.BALL).all(-1)), 16
        for step in range(16):
            (y,), (x,) = np.nonzero((image == catch.BALL).all(-1))
            (paddle,) = np.nonzero((image[-1] == catch.PADDLE).all(-1))
            assert (x, y) == (start, 2 * step)
            np.testing.assert_array_equal(paddle, np.arange(expected - 3, expected + 4))
            if step == 15:
                break
            assert reward == 0
            move = int(np.sign(x - expected)) if follows else 0
            expected = min(max(expected + 2 * move, 3), 28)
            image, reward, landed, *_ = env.step(1 + move)
            assert landed == (step == 14)
        assert reward == (1 if abs(start - expected) <= 3 else -1)
        rewards[follows].add(float(reward))
    env.close()
    assert rewards == {True: {1}, False: {-1, 1}}
