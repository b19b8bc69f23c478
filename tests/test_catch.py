"""The game of `examples/catch.py`: where the ball flies, and what catches it."""

import importlib

import gymnasium
import numpy as np
from example_modules import importable


def wave(x: np.ndarray) -> np.ndarray:
    """What bounces between 1 and 62, at time x without walls."""
    return 62 - np.abs((x - 1) % 122 - 61)


def test_a_ball_bounces_and_is_caught_where_it_lands() -> None:
    """The ball is on a triangle wave; a paddle that follows it is there, others may not be."""
    with importable():
        catch = importlib.import_module("catch")
        env, rewards = gymnasium.make("catch:Catch-v0"), {True: set[float](), False: set[float]()}
    for episode in range(40):
        follows, (image, _), places, reward = episode % 2 == 0, env.reset(seed=episode), [], 0.0
        for step in range(21):
            assert (reward != 0) == (step == 20)
            (y,), (x,) = np.nonzero((image == catch.BALL).all(-1))
            (paddle,) = np.nonzero((image[-1] == catch.PADDLE).all(-1))
            assert len(paddle) == 7 and y == 1 + 3 * step
            places.append(int(x))
            move = int(np.sign(x - paddle[3])) if follows else 0
            if step < 20:
                image, reward, landed, *_ = env.step(1 + move)
                assert landed == (step == 19)
        speed = max(np.diff(places), key=abs)  # away from walls
        expected = [wave(places[0] + sign * speed * np.arange(21)) for sign in (-1, 1)]
        assert any(np.array_equal(places, each) for each in expected)
        assert reward == (1 if abs(places[-1] - paddle[3]) <= 3 else -1)
        rewards[follows].add(float(reward))
    env.close()
    assert rewards == {True: {1}, False: {-1, 1}}
