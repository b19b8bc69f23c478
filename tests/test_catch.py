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
        follows, (image, _), places, reward = episode % 2 == 0, env.reset(seed=episode), [], 0.0
        for step in range(16):
            assert (reward != 0) == (step == 15)
            (y,), (x,) = np.nonzero((image == catch.BALL).all(-1))
            (paddle,) = np.nonzero((image[-1] == catch.PADDLE).all(-1))
            assert len(paddle) == 7 and y == 2 * step
            places.append((int(x), int(paddle[3])))
            move = int(np.sign(x - paddle[3])) if follows else 0
            if step < 15:
                image, reward, landed, *_ = env.step(1 + move)
                assert landed == (step == 14)
        balls, paddles = np.array(places).T
        assert len(set(balls)) == 1 and set(abs(np.diff(paddles))) <= (
            {0, 1, 2} if follows else {0}
        )
        assert reward == (1 if abs(balls[-1] - paddles[-1]) <= 3 else -1)
        rewards[follows].add(float(reward))
    env.close()
    assert rewards == {True: {1}, False: {-1, 1}}
