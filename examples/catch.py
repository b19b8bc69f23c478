"""Trains to catch a small ball, from a checkout: python examples/catch.py

An environment of your own with a picture. A ball of one pixel of 32 x 32, which the model sees as
four of 64 x 64, falls; the paddle below has to be there when it lands. The ball is so small that a
model may leave it out, so this trains with `losses.motion=0.1`. `--mode=eval --video` evaluates
what was trained, `--mode=dream` shows its dreams; both take the flags of the training as well.
"""

import sys
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from dreamer_jax.main import main

NAME = "gym:catch:Catch-v0"
SIZE = 32  # pixels of each side
STRIDE = 2  # pixels a step, of the ball down and of the paddle sideways
HALF = 3  # pixels of the paddle on each side of its middle
PADDLE, BALL = (80, 200, 120), (255, 255, 255)


class Catch(gymnasium.Env[np.ndarray, np.int64]):
    """One ball for each episode: 1 for catching it, -1 for missing it."""

    observation_space = spaces.Box(0, 255, (SIZE, SIZE, 3), np.uint8)
    action_space = spaces.Discrete(3)  # left, stay, right

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """The ball begins anywhere in the first row, the paddle in the middle."""
        super().reset(seed=seed, options=options)
        self._x, self._y = int(self.np_random.integers(SIZE)), 0
        self._paddle = SIZE // 2
        return self._seen(), {}

    def step(self, action: np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Moves both. The episode ends when the ball is in the upper row of the paddle."""
        to = self._paddle + STRIDE * (int(action) - 1)
        self._paddle = int(np.clip(to, HALF, SIZE - 1 - HALF))
        self._y += STRIDE
        landed = self._y + STRIDE >= SIZE
        caught = abs(self._x - self._paddle) <= HALF
        return self._seen(), float(landed) * (1.0 if caught else -1.0), landed, False, {}

    def _seen(self) -> np.ndarray:
        """uint8 [SIZE, SIZE, 3]."""
        image = np.zeros((SIZE, SIZE, 3), np.uint8)
        image[-2:, self._paddle - HALF : self._paddle + HALF + 1] = PADDLE
        image[self._y, self._x] = BALL
        return image


if "Catch-v0" not in gymnasium.registry:  # this file may be imported after it was started
    gymnasium.register("Catch-v0", "catch:Catch")


if __name__ == "__main__":
    settings = {  # --mode=eval takes them as well, where it refuses --steps
        "train.steps": 30_000,
        "losses.motion": 0.1,
        "behavior.entropy": 1e-2,
        "replay.batch": 8,
        "optimizer.learning_rate": 1e-3,
    }
    flags = [f"--env={NAME}", "--logdir=logdir/catch", "--size=nano"]
    flags += [f"--set={path}={value}" for path, value in settings.items()]
    sys.exit(main(["dreamer-jax", *flags, *sys.argv[1:]]))
