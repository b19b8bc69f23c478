"""Trains to catch a ball of one pixel, from a checkout: python examples/catch.py

An environment of your own with a picture. A ball of one pixel of 64 x 64 falls and bounces off the
walls; the paddle below has to be there when it lands. In the plain squared error the ball is so
small that a model may leave it out, so this trains with `losses.motion=0.1`. How long it takes to
learn was not measured yet.
"""

import sys
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from dreamer_jax.main import main

NAME = "gym:catch:Catch-v0"
SIZE = 64  # pixels of each side
FALL, FASTEST, STRIDE = 3, 3, 3  # pixels a step: the ball down, at most sideways; the paddle
HALF = 3  # pixels of the paddle on each side of its middle
WALL, PADDLE, BALL = (90, 90, 110), (80, 200, 120), (255, 255, 255)


class Catch(gymnasium.Env[np.ndarray, np.int64]):
    """One ball for each episode: 1 for catching it, -1 for missing it."""

    observation_space = spaces.Box(0, 255, (SIZE, SIZE, 3), np.uint8)
    action_space = spaces.Discrete(3)  # left, stay, right

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """The ball begins above, anywhere and with any speed; the paddle anywhere."""
        super().reset(seed=seed, options=options)
        self._x, self._y = int(self.np_random.integers(1, SIZE - 1)), 1
        self._speed = int(self.np_random.integers(-FASTEST, FASTEST + 1))
        self._paddle = int(self.np_random.integers(1 + HALF, SIZE - 1 - HALF))
        return self._seen(), {}

    def step(self, action: np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Moves the paddle and the ball, which bounces off the walls."""
        to = self._paddle + STRIDE * (int(action) - 1)
        self._paddle = int(np.clip(to, 1 + HALF, SIZE - 2 - HALF))
        self._x, self._y = self._x + self._speed, self._y + FALL
        if not 1 <= self._x <= SIZE - 2:
            wall = 1 if self._x < 1 else SIZE - 2
            self._x, self._speed = 2 * wall - self._x, -self._speed
        landed = self._y >= SIZE - 3
        caught = abs(self._x - self._paddle) <= HALF
        return self._seen(), float(landed) * (1.0 if caught else -1.0), landed, False, {}

    def _seen(self) -> np.ndarray:
        """uint8 [SIZE, SIZE, 3]."""
        image = np.zeros((SIZE, SIZE, 3), np.uint8)
        image[:, [0, -1]] = image[0] = WALL
        image[-2:, self._paddle - HALF : self._paddle + HALF + 1] = PADDLE
        image[self._y, self._x] = BALL
        return image


if "Catch-v0" not in gymnasium.registry:  # this file may be imported after it was started
    gymnasium.register("Catch-v0", "catch:Catch")


if __name__ == "__main__":
    flags = [f"--env={NAME}", "--logdir=logdir/catch", "--set=losses.motion=0.1", *sys.argv[1:]]
    sys.exit(main(["dreamer-jax", *flags]))
